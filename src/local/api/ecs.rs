//! As much of the ECS API as whoever runs a command in a container asks for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Call, json::read, resource::Resource};
use crate::local::{
    service::{Admission, EmbeddedService, StartSession},
    task::{Container, Task},
};

/// Performs an operation; `None` when there is none of this name here.
pub fn perform(
    operation: &str,
    call: &Call<'_>,
    service: &mut EmbeddedService,
) -> Option<Result<Value, ApiError>> {
    Some(match operation {
        "ListTasks" => list_tasks(call, service),
        "DescribeTasks" => describe_tasks(call, service),
        "ExecuteCommand" => execute_command(call, service),
        _ => return None,
    })
}

fn list_tasks(call: &Call<'_>, service: &EmbeddedService) -> Result<Value, ApiError> {
    let body: ListBody = read(call.request.body)?;
    let cluster = own("cluster/", &body.cluster, call);
    call.authorize("ecs:ListTasks", &Resource::all("ecs", call))?;
    check_cluster(cluster, service)?;
    if body.has_other_filters() {
        let problem =
            "This local endpoint filters tasks by cluster, service and desiredStatus alone.";
        return Err(ApiError::Invalid { problem: problem.to_owned() });
    }
    let in_cluster = service.tasks().iter().filter(|task| task.cluster == cluster);
    let tasks: Vec<&Task> = match &body.service_name {
        None => in_cluster.collect(),
        Some(name) => {
            let name = own(&format!("service/{cluster}/"), name, call);
            in_cluster.filter(|task| task.service.as_deref() == Some(name)).collect()
        }
    };
    if tasks.is_empty() && body.service_name.is_some() {
        return Err(ApiError::NoSuchService);
    }
    // All of them run.
    let is_wanted = body.desired_status.as_deref().is_none_or(|status| status == "RUNNING");
    let tasks = tasks.into_iter().filter(|_| is_wanted);
    let arns: Vec<String> = tasks.map(|task| task_arn(task, call)).collect();
    Ok(json!({ "taskArns": arns }))
}

fn describe_tasks(call: &Call<'_>, service: &EmbeddedService) -> Result<Value, ApiError> {
    let body: DescribeBody = read(call.request.body)?;
    let cluster = own("cluster/", &body.cluster, call);
    if body.tasks.len() > MOST_TASKS {
        return Err(ApiError::constraint(
            "tasks",
            "Member must have length less than or equal to 100",
        ));
    }
    for name in &body.tasks {
        call.authorize("ecs:DescribeTasks", &asked(cluster, name, call))?;
    }
    check_cluster(cluster, service)?;
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for name in &body.tasks {
        let found = find(cluster, name, call, service);
        match found {
            Some(task) => tasks.push(show(task, call)),
            None => failures.push(json!({ "arn": name, "reason": "MISSING" })),
        }
    }
    Ok(json!({ "tasks": tasks, "failures": failures }))
}

fn execute_command(call: &Call<'_>, service: &mut EmbeddedService) -> Result<Value, ApiError> {
    let body: ExecuteBody = read(call.request.body)?;
    let cluster = own("cluster/", &body.cluster, call);
    call.authorize("ecs:ExecuteCommand", &asked(cluster, &body.task, call))?;
    check_cluster(cluster, service)?;
    let task = find(cluster, &body.task, call, service).cloned().ok_or(ApiError::NoSuchTask)?;
    let arn = task_arn(&task, call);
    let container = container(&task, body.container.as_deref())?;
    if !task.execute_command {
        let problem =
            "The execute command failed because execute command was not enabled when the task \
                       was run or the execute command agent isn't running."
                .to_owned();
        return Err(ApiError::Invalid { problem });
    }
    if !body.interactive {
        let problem = "Interactive must be set to true.".to_owned();
        return Err(ApiError::Invalid { problem });
    }
    let request = StartSession {
        target: task.target(container),
        document: Some(DOCUMENT.to_owned()),
        parameters: BTreeMap::from([("command".to_owned(), vec![body.command])]),
        reason: None,
    };
    let admission = service.start_session_of(call.owner(), request, call.request.now)?;
    let Admission { session_id, token } = &admission;
    let session = super::ssm::show_ticket(session_id, Some(token), call.request.stream_base);
    Ok(json!({
        "clusterArn": cluster_arn(&task.cluster, call),
        "taskArn": arn,
        "containerName": container.name,
        "containerArn": format!("{arn}/{}", container.runtime_id),
        "interactive": true,
        "session": {
            "sessionId": session["SessionId"],
            "streamUrl": session["StreamUrl"],
            "tokenValue": session["TokenValue"],
        },
    }))
}

fn check_cluster(cluster: &str, service: &EmbeddedService) -> Result<(), ApiError> {
    let is_there = service.tasks().iter().any(|task| task.cluster == cluster);
    if is_there { Ok(()) } else { Err(ApiError::NoSuchCluster) }
}

fn find<'a>(
    cluster: &str,
    name: &str,
    call: &Call<'_>,
    service: &'a EmbeddedService,
) -> Option<&'a Task> {
    let id = own(&format!("task/{cluster}/"), name, call);
    service.tasks().iter().find(|task| task.cluster == cluster && task.id == id)
}

/// The container that is named, or the only one.
fn container<'a>(task: &'a Task, name: Option<&str>) -> Result<&'a Container, ApiError> {
    let invalid = |problem: &str| ApiError::Invalid { problem: problem.to_owned() };
    match (name, &task.containers[..]) {
        (None, [only]) => Ok(only),
        (None, _) => Err(invalid("Container name is required, the task has several.")),
        (Some(name), all) => all
            .iter()
            .find(|container| container.name == name)
            .ok_or_else(|| invalid("The container name provided was not found in the task.")),
    }
}

fn show(task: &Task, call: &Call<'_>) -> Value {
    let arn = task_arn(task, call);
    let containers = task.containers.iter().map(|container| {
        json!({
            "name": container.name,
            "containerArn": format!("{arn}/{}", container.runtime_id),
            "runtimeId": container.runtime_id,
            "lastStatus": "RUNNING",
            "taskArn": arn,
        })
    });
    json!({
        "taskArn": arn,
        "clusterArn": cluster_arn(&task.cluster, call),
        "group": task.service.as_ref().map(|service| format!("service:{service}")),
        "enableExecuteCommand": task.execute_command,
        "lastStatus": "RUNNING",
        "desiredStatus": "RUNNING",
        "containers": containers.collect::<Vec<_>>(),
    })
}

fn task_arn(task: &Task, call: &Call<'_>) -> String {
    let (region, account) = call.place();
    format!("arn:aws:ecs:{region}:{account}:task/{}/{}", task.cluster, task.id)
}

/// A task that is asked about, whether there is one or not: who may not know is not told.
fn asked(cluster: &str, name: &str, call: &Call<'_>) -> Resource {
    for arn in [name, cluster] {
        if arn.starts_with("arn:") {
            return Resource::of(arn.to_owned());
        }
    }
    let (region, account) = call.place();
    Resource::of(format!("arn:aws:ecs:{region}:{account}:task/{cluster}/{name}"))
}

fn cluster_arn(cluster: &str, call: &Call<'_>) -> String {
    let (region, account) = call.place();
    format!("arn:aws:ecs:{region}:{account}:cluster/{cluster}")
}

/// A name, or the name in an ARN of the caller's account and region that has `kind` in front of it.
/// Any other ARN is a name that nothing has.
fn own<'a>(kind: &str, name: &'a str, call: &Call<'_>) -> &'a str {
    let (region, account) = call.place();
    name.strip_prefix(&format!("arn:aws:ecs:{region}:{account}:{kind}")).unwrap_or(name)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListBody {
    #[serde(default = "default_cluster")]
    cluster: String,
    service_name: Option<String>,
    desired_status: Option<String>,
    family: Option<String>,
    container_instance: Option<String>,
    started_by: Option<String>,
    launch_type: Option<String>,
}

impl ListBody {
    fn has_other_filters(&self) -> bool {
        [&self.family, &self.container_instance, &self.started_by, &self.launch_type]
            .iter()
            .any(|filter| filter.is_some())
    }
}

#[derive(Deserialize)]
struct DescribeBody {
    #[serde(default = "default_cluster")]
    cluster: String,
    tasks: Vec<String>,
}

#[derive(Deserialize)]
struct ExecuteBody {
    #[serde(default = "default_cluster")]
    cluster: String,
    task: String,
    container: Option<String>,
    command: String,
    #[serde(default)]
    interactive: bool,
}

fn default_cluster() -> String {
    "default".to_owned()
}

/// What its operations' names begin with.
pub const TARGET: &str = "AmazonEC2ContainerServiceV20141113";

/// Its name in signatures.
pub const SIGNING_NAME: &str = "ecs";

/// What carries a command in a container.
const DOCUMENT: &str = "AWS-StartInteractiveCommand";
const MOST_TASKS: usize = 100;
