//! The condition keys that calls of this endpoint can have.

/// Whether calls here ever have this key. Those that AWS has beside them are unknown, since a
/// condition on one of them would come out otherwise than there.
pub fn is_known(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    KEYS.contains(&key.as_str())
        || TAGS.iter().any(|prefix| key.strip_prefix(prefix).is_some_and(|tag| !tag.is_empty()))
}

/// In lower case.
const KEYS: [&str; 18] = [
    "aws:currenttime",
    "aws:epochtime",
    "aws:multifactorauthage",
    "aws:multifactorauthpresent",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principaltype",
    "aws:requestedregion",
    "aws:securetransport",
    "aws:sourceip",
    "aws:useragent",
    "aws:userid",
    "aws:username",
    "aws:viaawsservice",
    "ec2:osuser",
    "ssm:sessiondocumentaccesscheck",
    "sts:externalid",
    "sts:rolesessionname",
];

/// In front of a tag's name.
const TAGS: [&str; 3] = ["aws:principaltag/", "aws:resourcetag/", "ssm:resourcetag/"];
