//! The ECS tasks that the endpoint pretends to run; their containers are this process.

/// A running task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The cluster's name.
    pub cluster: String,
    /// The service that it belongs to, if to one.
    pub service: Option<String>,
    /// 32 hexadecimal digits.
    pub id: String,
    /// At least one.
    pub containers: Vec<Container>,
    /// Whether it was started with `enableExecuteCommand`.
    pub execute_command: bool,
}

/// A container of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// In the task definition.
    pub name: String,
    /// The task's id, a hyphen and a number.
    pub runtime_id: String,
}

impl Task {
    /// One with containers of these names.
    pub fn new(
        cluster: String,
        service: Option<String>,
        id: String,
        names: impl IntoIterator<Item = String>,
        execute_command: bool,
    ) -> Self {
        let container = |(number, name)| Container { name, runtime_id: format!("{id}-{number}") };
        let containers = (FIRST_RUNTIME..).zip(names).map(container).collect();
        Self { cluster, service, id, containers, execute_command }
    }

    /// A container of its as StartSession knows it.
    pub fn target(&self, container: &Container) -> String {
        format!("ecs:{}_{}_{}", self.cluster, self.id, container.runtime_id)
    }
}

/// Runtime ids end in ten digits.
const FIRST_RUNTIME: u64 = 1_000_000_001;
