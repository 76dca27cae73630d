//! The client that the options mean, and the user as its guide.

use std::sync::Arc;

use super::{args::Global, failure::Failure, output::Output};
#[cfg(feature = "aws")]
use super::{completion::seen_nodes::SeenNodes, confirm::confirmed, mfa, picker};
use crate::client::{Client, Guide, config_file::ConfigFile, target::Target};
#[cfg(feature = "aws")]
use crate::{
    aws::Settings,
    client::{Agreement, Choice, Counting, ListedNode},
};

impl Global {
    /// The client that is meant, which tells and asks by way of `output`.
    pub(super) fn client(&self, output: &Output) -> Client {
        #[cfg(feature = "aws")]
        {
            let settings = self.settings();
            let user = User { output: *output, settings: settings.clone() };
            Client::of(settings, self.limits(), Arc::new(user))
        }
        #[cfg(not(feature = "aws"))]
        Client::of(self.limits(), Arc::new(*output))
    }

    /// A target without what says whose it is, and these options with that.
    pub(super) fn in_account_of(&self, target: Target) -> (Target, Self) {
        let mut options = self.clone();
        let (target, region, whose) = target.apart();
        options.profile = options.profile.or(whose.profile);
        options.region = region.or(options.region).or(whose.region);
        (target, options)
    }

    /// With what the configuration files say of whose nodes are meant where nobody else does.
    pub(super) fn with_defaults(mut self) -> Result<Self, Failure> {
        self.defaults = ConfigFile::load()?.defaults();
        Ok(self)
    }

    /// What was typed about AWS.
    #[cfg(feature = "aws")]
    pub(super) fn settings(&self) -> Settings {
        Settings {
            profile: self.profile.clone(),
            region: self.region.clone(),
            endpoints: self.endpoints.given(),
            mfa: self.mfa.settings(),
            default_profile: self.defaults.profile.clone(),
            default_region: self.defaults.region.clone(),
        }
    }
}

#[cfg(not(feature = "aws"))]
impl Guide for Output {}

#[cfg(feature = "aws")]
impl Guide for Output {
    fn note(&self, text: &str) {
        Output::note(self, text);
    }

    fn counting(&self) -> Counting {
        let counter = self.counter("node");
        Box::new(move |count| counter.show(count))
    }

    fn can_choose(&self) -> bool {
        picker::can_ask()
    }

    fn choose(&self, question: String, choices: Vec<String>) -> Choice<'_> {
        Box::pin(picker::pick(question, choices))
    }

    fn agree(&self, question: String) -> Agreement<'_> {
        Box::pin(confirmed(question))
    }

    fn session_started(&self) {
        mfa::close_prompt();
    }
}

/// The same, for an account whose nodes are kept for completion.
#[cfg(feature = "aws")]
struct User {
    output: Output,
    settings: Settings,
}

#[cfg(feature = "aws")]
impl Guide for User {
    fn note(&self, text: &str) {
        self.output.note(text);
    }

    fn counting(&self) -> Counting {
        self.output.counting()
    }

    fn can_choose(&self) -> bool {
        self.output.can_choose()
    }

    fn choose(&self, question: String, choices: Vec<String>) -> Choice<'_> {
        self.output.choose(question, choices)
    }

    fn agree(&self, question: String) -> Agreement<'_> {
        self.output.agree(question)
    }

    fn nodes_seen(&self, region: &str, nodes: &[ListedNode]) {
        if let Some(seen) = SeenNodes::of(&self.settings, Some(region)) {
            seen.add(nodes);
        }
    }

    fn session_started(&self) {
        self.output.session_started();
    }
}
