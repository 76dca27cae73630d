//! What calls are about, as policies name it.

use std::collections::BTreeMap;

use super::Call;
use crate::local::{
    document::{is_of_aws, short_name},
    service::EmbeddedService,
};

/// A resource and its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// With the region that the caller signed for, and the caller's account.
    pub arn: String,
    /// What conditions on `aws:ResourceTag` and `ssm:resourceTag` are about.
    pub tags: Vec<(String, String)>,
}

impl Resource {
    /// A session's target: a node of EC2, one of the user's own, a container of ECS.
    pub fn target(target: &str, call: &Call<'_>, service: &EmbeddedService) -> Self {
        let (region, account) = call.place();
        let arn = if target.starts_with("mi-") {
            format!("arn:aws:ssm:{region}:{account}:managed-instance/{target}")
        } else if let Some(container) = target.strip_prefix("ecs:") {
            // CLUSTER_TASK_RUNTIME; a cluster's name may have underscores, the others have none.
            let mut parts = container.rsplitn(3, '_').skip(1);
            let (task, cluster) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            format!("arn:aws:ecs:{region}:{account}:task/{cluster}/{task}")
        } else {
            format!("arn:aws:ec2:{region}:{account}:instance/{target}")
        };
        let tags = service.node(target).into_iter().flat_map(|node| node.all_tags());
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { arn, tags }
    }

    /// A session document, by name or ARN. An ARN is what it says: another account's document, or
    /// another region's, is not the caller's of the same name.
    pub fn document(document: &str, call: &Call<'_>) -> Self {
        match call.identity {
            Some(_) if document.starts_with("arn:") => Self::of(document.to_owned()),
            _ => Self::of(own_document(document, call)),
        }
    }

    /// Whether a document is one that the caller finds here, by its name or by its ARN. Where nobody
    /// is told apart, every account and region may be meant.
    pub fn has_document(document: &str, call: &Call<'_>) -> bool {
        let is_by_name = !document.starts_with("arn:") || call.identity.is_none();
        is_by_name || document == own_document(document, call)
    }

    /// A session, which AWS tags with its owner and its target.
    pub fn session(session_id: &str, call: &Call<'_>, service: &EmbeddedService) -> Self {
        let (region, account) = call.place();
        let tags = service.session(session_id).map(|session| {
            vec![
                ("aws:ssmmessages:session-id".to_owned(), session.owner.user_id.to_string()),
                ("aws:ssmmessages:target-id".to_owned(), session.target.clone()),
            ]
        });
        let arn = format!("arn:aws:ssm:{region}:{account}:session/{session_id}");
        Self { arn, tags: tags.unwrap_or_default() }
    }

    /// All that a service has in the account, for operations that are not about one of them.
    pub fn all(service: &str, call: &Call<'_>) -> Self {
        let (region, account) = call.place();
        Self::of(format!("arn:aws:{service}:{region}:{account}:*"))
    }

    /// A user or a role, with its tags where it is one of the account's.
    pub fn of_iam(arn: String, tags: Option<&BTreeMap<String, String>>) -> Self {
        let tags = tags.into_iter().flatten();
        Self { arn, tags: tags.map(|(key, value)| (key.clone(), value.clone())).collect() }
    }

    /// One without tags.
    pub fn of(arn: String) -> Self {
        Self { arn, tags: Vec::new() }
    }
}

/// The ARN of a document of this name. Those of AWS belong to no account.
fn own_document(document: &str, call: &Call<'_>) -> String {
    let (region, account) = call.place();
    let name = short_name(document);
    let account = if is_of_aws(name) { "" } else { account };
    format!("arn:aws:ssm:{region}:{account}:document/{name}")
}
