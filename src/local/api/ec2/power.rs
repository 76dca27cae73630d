//! Machines that are started, stopped and started anew.

use serde::Serialize;

use super::{Items, State};
use crate::local::{
    api::{
        ApiError, Call,
        query::{Form, show_members},
        resource::Resource,
    },
    node::{Node, Power},
    service::EmbeddedService,
};

/// Does it to all instances that are named, or to none.
pub(super) fn perform(
    action: &str,
    form: &Form,
    call: &Call<'_>,
    service: &mut EmbeddedService,
) -> Result<String, ApiError> {
    let ids: Vec<&str> = form.numbered("InstanceId.".to_owned()).collect();
    if ids.is_empty() {
        return Err(ApiError::constraint("instanceId", "Member must not be null"));
    }
    for id in &ids {
        let known = service.node(id).filter(|node| node.ec2 && node.is_in(call.place().0));
        known.ok_or_else(|| ApiError::NoSuchInstance { id: id.chars().take(64).collect() })?;
        call.authorize(&format!("ec2:{action}"), &Resource::target(id, call, service))?;
    }
    let now = call.request.now;
    let mut changes = Vec::new();
    for id in ids {
        let before = match action {
            "StartInstances" => service.start_node(id, now),
            "StopInstances" => service.stop_node(id, now),
            _ => service.reboot_node(id, now),
        };
        changes.extend(before.zip(service.node(id)).map(|(before, node)| Change::of(node, before)));
    }
    match action {
        "RebootInstances" => show_members(&Done { r#return: true }),
        _ => show_members(&Changed { instances_set: Items { item: changes } }),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    instances_set: Items<Change>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    instance_id: String,
    current_state: State,
    previous_state: State,
}

impl Change {
    fn of(node: &Node, before: Power) -> Self {
        Self {
            instance_id: node.id.clone(),
            current_state: State::of(node.power),
            previous_state: State::of(before),
        }
    }
}

#[derive(Serialize)]
struct Done {
    r#return: bool,
}
