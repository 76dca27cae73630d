//! The programs as their users have them: real processes, real sockets, the software that people
//! reach through a forwarded port.
//!
//! `scripts/test` installs what these tests need; one that misses its tool fails and says so.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests have deadlines, and read the clock for them")]

mod support;

mod account_keys;
mod account_logs;
mod account_mfa;
mod attackers;
mod aws_cli;
mod aws_files;
mod bad_input;
mod bulk;
mod callers_ansible;
mod callers_cli;
mod callers_editors;
mod callers_ports;
mod completions;
mod config;
#[cfg(feature = "aws")]
mod connections;
#[cfg(feature = "aws")]
mod copy_faults;
mod copy_files;
mod copy_folders;
#[cfg(feature = "aws")]
mod copy_nodes;
mod credential_sources;
mod delivery;
mod demo;
mod doctor;
mod encryption;
mod endpoint_start;
mod examples;
mod exec;
mod exec_streams;
mod exec_terminal;
mod faults_bytes;
mod faults_ends;
mod faults_programs;
mod foreign_words;
#[cfg(feature = "aws")]
mod forward_background;
#[cfg(feature = "aws")]
mod forward_command;
mod habits;
mod half_close;
mod help;
mod host;
mod idle;
mod json;
mod kills;
mod lanes;
mod library;
mod library_examples;
mod limits;
mod local_side;
mod login;
mod lost_service;
mod manual;
mod many_nodes;
mod many_sessions;
mod mfa_account;
mod mfa_bad_input;
mod mfa_cache;
mod mfa_prompt;
mod named_targets;
mod narrow;
#[cfg(feature = "aws")]
mod networks_families;
#[cfg(feature = "aws")]
mod networks_private;
#[cfg(feature = "aws")]
mod networks_socks;
mod one_sided;
#[cfg(feature = "aws")]
mod open;
mod other_users;
#[cfg(feature = "aws")]
mod platforms;
mod plugin_contract;
mod plugin_odd;
mod plugin_words;
mod postgres;
mod protocol_agent;
mod protocol_limits;
mod protocol_peer;
mod proxies;
mod proxies_bad;
mod proxy;
mod raw_client;
mod raw_frame;
mod raw_gateway;
mod raw_peer;
mod readiness;
#[cfg(feature = "aws")]
mod recipes_databases;
#[cfg(feature = "aws")]
mod recipes_jobs;
#[cfg(feature = "aws")]
mod recipes_networks;
#[cfg(feature = "aws")]
mod recipes_ssh;
mod recordings;
mod recordings_of_all;
mod reliability;
mod replacement;
mod resumption;
mod said;
mod second_opinion;
mod secrets;
mod sessions;
mod shell;
mod shell_escapes;
mod shell_plugin;
mod signals;
#[cfg(feature = "aws")]
mod slow_lines;
#[cfg(feature = "aws")]
mod socks;
#[cfg(feature = "aws")]
mod socks_programs;
mod ssh;
mod ssh_config;
mod ssh_proxy;
mod strangers;
mod stream_errors;
mod targets;
mod terminal;
mod terminal_left;
mod tls;
mod tls_trust;
mod trace;
#[cfg(feature = "aws")]
mod turbo;
mod two_names;
#[cfg(feature = "aws")]
mod up;
#[cfg(feature = "aws")]
mod up_day;
#[cfg(feature = "aws")]
mod up_install;
#[cfg(feature = "aws")]
mod up_socket;
#[cfg(feature = "aws")]
mod up_terminal;
mod web;

mod agent_command;
mod agent_cuts;
mod agent_shell;
mod agent_stream;
mod processes;
