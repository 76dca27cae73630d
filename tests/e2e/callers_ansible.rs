//! The real Ansible with the `community.aws.aws_ssm` connection plugin: a pipe on the plugin's
//! stdin, a terminal on its stdout, and every line awaited with the ends that they give it.

use crate::{
    raw_client::{await_active_sessions, ended_sessions},
    support::{Ansible, Endpoint, NODE},
};

#[test]
fn raw_commands_give_their_output_and_their_exit_codes() {
    let endpoint = Endpoint::start();
    let ansible = Ansible::new(&endpoint);
    let good = ansible.run("raw", "echo one; echo 'two  words'; seq 3000").success();
    let numbers: String = (1..=3000).map(|number| format!("{number}\n")).collect();
    let lines = good.replace('\r', "");
    let expected = format!("{NODE} | CHANGED | rc=0 >>\none\ntwo  words\n{numbers}");
    assert!(lines.starts_with(&expected), "{lines:.300}");

    let bad = ansible.run("raw", "sh -c 'echo before; exit 3'");
    assert_eq!(bad.code(), 2, "{bad:#?}");
    let lines = bad.stdout.replace('\r', "");
    assert!(lines.starts_with(&format!("{NODE} | FAILED | rc=3 >>\nbefore")), "{bad:#?}");
    // Each run says `exit` to the shell and then terminates its session.
    await_active_sessions(&endpoint, 0);
    assert_eq!(ended_sessions(&endpoint).len(), 2);
}

#[test]
fn modules_are_copied_and_run() {
    let endpoint = Endpoint::start();
    let ansible = Ansible::new(&endpoint);
    let ran = ansible.play(PLAY);
    let said = ran.success();
    assert!(said.contains("failed=0"), "{said}");
    assert!(said.contains("text=line 1 of 2, µ"), "{said}");
    await_active_sessions(&endpoint, 0);
    assert!(!ended_sessions(&endpoint).is_empty());
}

const PLAY: &str = r#"
    - ansible.builtin.tempfile:
        state: directory
      register: folder
    - ansible.builtin.copy:
        content: "line 1 of 2, µ\nline 2 of 2\n"
        dest: "{{ folder.path }}/file"
        mode: "0600"
    - ansible.builtin.command: "head -n 1 {{ folder.path }}/file"
      register: head
      changed_when: false
    - ansible.builtin.debug:
        msg: "text={{ head.stdout }}"
    - ansible.builtin.file:
        path: "{{ folder.path }}"
        state: absent
"#;
