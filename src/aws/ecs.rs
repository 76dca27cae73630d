//! ECS: tasks, their containers, and commands in them.

use serde::Deserialize;
use serde_json::json;

use super::{
    account::Account, error::AwsError, operation::Operation, pages::Pages, service::Service,
};
use crate::wire::{Ticket, Token};

/// A container of a running task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The cluster's name.
    pub cluster: String,
    /// The task's id, the last part of its ARN.
    pub task: String,
    /// Its name in the task definition.
    pub name: String,
    /// The runtime's id for it, which is part of its name as a target.
    pub runtime_id: String,
    /// Whether the task was started with `enableExecuteCommand`.
    pub takes_commands: bool,
}

impl Container {
    /// As StartSession knows it: `ecs:CLUSTER_TASK_RUNTIME`.
    pub fn target(&self) -> String {
        format!("ecs:{}_{}_{}", self.cluster, self.task, self.runtime_id)
    }
}

impl Account {
    /// `ecs:ListTasks`: the ids of the running tasks of a service.
    ///
    /// # Errors
    /// Any of a call.
    pub async fn service_tasks(
        &self,
        cluster: &str,
        service: &str,
    ) -> Result<Vec<String>, AwsError> {
        let subject = format!("{cluster}/{service}");
        let operation = Operation::new(Service::Ecs, "ListTasks", &subject);
        let credentials = self.credentials().await?;
        let mut tasks = Vec::new();
        let (mut pages, mut next) = (Pages::at_most(MOST), None::<String>);
        loop {
            let mut input = json!({
                "cluster": cluster,
                "serviceName": service,
                "desiredStatus": "RUNNING",
            });
            if let Some(token) = next {
                input["nextToken"] = token.into();
            }
            let page: Tasks =
                self.caller.json(operation.clone(), TARGET, input, &credentials).await?;
            tasks.extend(page.task_arns.iter().map(|arn| last_part(arn)));
            next = pages.behind(page.next_token);
            if next.is_none() || tasks.len() >= MOST {
                tasks.truncate(MOST);
                return Ok(tasks);
            }
        }
    }

    /// `ecs:DescribeTasks`: the containers of up to a hundred running tasks.
    ///
    /// # Errors
    /// Any of a call.
    pub async fn containers(
        &self,
        cluster: &str,
        tasks: &[String],
    ) -> Result<Vec<Container>, AwsError> {
        let operation = Operation::new(Service::Ecs, "DescribeTasks", cluster);
        let credentials = self.credentials().await?;
        let input = json!({ "cluster": cluster, "tasks": tasks });
        let described: Described = self.caller.json(operation, TARGET, input, &credentials).await?;
        Ok(described.tasks.iter().flat_map(Task::containers).collect())
    }

    /// `ecs:ExecuteCommand`: runs `command` in a container, on a terminal.
    ///
    /// # Errors
    /// Any of a call.
    pub async fn execute_command(
        &self,
        container: &Container,
        command: &str,
    ) -> Result<Ticket, AwsError> {
        let Container { cluster, task, name, .. } = container;
        let subject = format!("{cluster}/{task}/{name}");
        let operation = Operation::new(Service::Ecs, "ExecuteCommand", &subject);
        let credentials = self.credentials().await?;
        let input = json!({
            "cluster": cluster,
            "task": task,
            "container": name,
            "command": command,
            "interactive": true,
        });
        let executed: Executed = self.caller.json(operation, TARGET, input, &credentials).await?;
        let Session { session_id, stream_url, token_value } = executed.session;
        Ok(Ticket { session_id, stream_url, token: Token::new(token_value) })
    }
}

/// The name or id at the end of an ARN.
fn last_part(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tasks {
    #[serde(default)]
    task_arns: Vec<String>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    tasks: Vec<Task>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    task_arn: String,
    cluster_arn: String,
    #[serde(default)]
    enable_execute_command: bool,
    #[serde(default)]
    last_status: String,
    #[serde(default)]
    containers: Vec<TaskContainer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskContainer {
    name: String,
    runtime_id: Option<String>,
}

impl Task {
    /// Those that run: one that is about to has no runtime id yet.
    fn containers(&self) -> impl Iterator<Item = Container> {
        let is_running = self.last_status == "RUNNING";
        let running = self.containers.iter().filter(move |_| is_running);
        running.filter_map(|container| {
            Some(Container {
                cluster: last_part(&self.cluster_arn),
                task: last_part(&self.task_arn),
                name: container.name.clone(),
                runtime_id: container.runtime_id.clone()?,
                takes_commands: self.enable_execute_command,
            })
        })
    }
}

#[derive(Deserialize)]
struct Executed {
    session: Session,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    session_id: String,
    stream_url: String,
    token_value: String,
}

const TARGET: &str = "AmazonEC2ContainerServiceV20141113";
/// More than can be described at once is more than anybody chooses from.
const MOST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_containers_are_targets() {
        let task = |status: &str| {
            json!({
                "taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/prod/0f9de17a6465404e",
                "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/prod",
                "lastStatus": status,
                "enableExecuteCommand": true,
                "containers": [
                    { "name": "app", "runtimeId": "0f9de17a6465404e-1527056392" },
                    { "name": "starting" },
                ],
            })
        };
        let described = json!({ "tasks": [task("RUNNING"), task("PENDING")], "failures": [] });
        let described: Described = serde_json::from_value(described).unwrap();
        let found: Vec<_> = described.tasks.iter().flat_map(Task::containers).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        let target = "ecs:prod_0f9de17a6465404e_0f9de17a6465404e-1527056392";
        assert_eq!((found[0].target().as_str(), &*found[0].name), (target, "app"));
    }
}
