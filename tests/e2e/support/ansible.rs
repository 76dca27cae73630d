//! The real Ansible, with its connection plugin for Session Manager.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    endpoint::{Endpoint, NODE, REGION},
    object_store::{BUCKET, ObjectStore},
    program::{Finished, Program, command},
    tools::missing,
};

/// Runs modules on the node of an endpoint, by way of our plugin.
pub struct Ansible {
    folder: TempDir,
    inventory: &'static str,
    /// Modules are handed over through it.
    store: ObjectStore,
    endpoint_url: String,
}

impl Ansible {
    /// An Ansible for `endpoint`.
    pub fn new(endpoint: &Endpoint) -> Self {
        Self::with_inventory(endpoint, "inventory", &inventory())
    }

    /// One with this in a file of this name.
    pub fn with_inventory(endpoint: &Endpoint, name: &'static str, text: &str) -> Self {
        let folder = TempDir::new().expect("a directory");
        fs::write(folder.path().join(name), text).expect("the inventory");
        fs::write(folder.path().join("ansible.cfg"), "").expect("no settings");
        Self {
            folder,
            inventory: name,
            store: ObjectStore::start(),
            endpoint_url: endpoint.url.clone(),
        }
    }

    /// Runs one module to its end.
    pub fn run(&self, module: &str, arguments: &str) -> Finished {
        let mut ansible = self.command("ansible");
        ansible.args([NODE, "-m", module, "-a", arguments]);
        Program::run_within(LIMIT, ansible)
    }

    /// Runs the tasks of a play, in YAML, to their end.
    pub fn play(&self, tasks: &str) -> Finished {
        let playbook = self.folder.path().join("play.yml");
        let head = "- hosts: all\n  gather_facts: false\n  tasks:\n";
        fs::write(&playbook, format!("{head}{tasks}")).expect("the playbook");
        let mut ansible = self.command("ansible-playbook");
        ansible.arg(playbook);
        Program::run_within(LIMIT, ansible)
    }

    fn command(&self, name: &str) -> Command {
        let mut ansible = command(find(name));
        ansible.arg("-i").arg(self.folder.path().join(self.inventory));
        let remote = self.folder.path().join("remote");
        ansible.env("ANSIBLE_REMOTE_TEMP", remote).env("ANSIBLE_LOCAL_TEMP", self.folder.path());
        ansible.env("ANSIBLE_NOCOLOR", "1");
        ansible.env("ANSIBLE_CONFIG", self.folder.path().join("ansible.cfg"));
        ansible.env("AWS_ENDPOINT_URL_SSM", &self.endpoint_url);
        ansible.env("AWS_ENDPOINT_URL_S3", self.store.url());
        ansible.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        // Plain bodies: the store knows no other.
        ansible.env("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required");
        ansible.current_dir(self.folder.path());
        ansible
    }
}

fn inventory() -> String {
    format!(
        "{NODE} ansible_connection=community.aws.aws_ssm ansible_aws_ssm_region={REGION} \
         ansible_aws_ssm_bucket_name={BUCKET} ansible_aws_ssm_s3_addressing_style=path \
         ansible_aws_ssm_plugin={} ansible_aws_ssm_timeout=20 ansible_aws_ssm_retries=0 \
         ansible_python_interpreter={}\n",
        env!("CARGO_BIN_EXE_session-manager-plugin"),
        find("python").display(),
    )
}

/// That of scripts/test, which has boto3 too: the user's may lack the plugin.
pub fn find(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/ansible");
    match folder.join("complete").exists() {
        true => folder.join("bin").join(name),
        false => missing("Ansible"),
    }
}

/// It is slow, with one program after the other.
const LIMIT: Duration = Duration::from_secs(90);
