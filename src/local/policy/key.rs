//! The condition keys that calls of this endpoint can have.

use super::slip;

/// Whether calls here ever have this key. Those that AWS has beside them are unknown, since a
/// condition on one of them would come out otherwise than there.
pub fn is_known(key: &str) -> bool {
    KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
        || TAGS.iter().any(|prefix| {
            let begin = key.get(..prefix.len());
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
                && key.len() > prefix.len()
        })
}

/// What an unknown key should perhaps have been, to end a sentence with.
pub fn did_you_mean(key: &str) -> String {
    match key.split_once('/') {
        Some((begin, tag)) => {
            let prefixes = TAGS.iter().map(|prefix| prefix.trim_end_matches('/'));
            let meant = slip::meant(begin, prefixes);
            meant.map(|meant| format!("; did you mean {meant}/{tag}?")).unwrap_or_default()
        }
        None => slip::did_you_mean(key, KEYS),
    }
}

/// Their case does not count.
const KEYS: [&str; 18] = [
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:MultiFactorAuthAge",
    "aws:MultiFactorAuthPresent",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalType",
    "aws:RequestedRegion",
    "aws:SecureTransport",
    "aws:SourceIp",
    "aws:UserAgent",
    "aws:userid",
    "aws:username",
    "aws:ViaAWSService",
    "ec2:osuser",
    "ssm:SessionDocumentAccessCheck",
    "sts:ExternalId",
    "sts:RoleSessionName",
];

/// In front of a tag's name.
const TAGS: [&str; 3] = ["aws:PrincipalTag/", "aws:ResourceTag/", "ssm:resourceTag/"];
