//! The client that the options mean, and the user as its guide.

use std::sync::Arc;

use super::{args::Global, output::Output};
#[cfg(feature = "aws")]
use super::{mfa, picker};
use crate::client::{Client, Guide, target::Target};
#[cfg(feature = "aws")]
use crate::{
    aws::Settings,
    client::{Choice, Counting},
};

impl Global {
    /// The client that is meant, which tells and asks by way of `output`.
    pub(super) fn client(&self, output: &Output) -> Client {
        let guide = Arc::new(*output);
        #[cfg(feature = "aws")]
        let client = Client::of(self.settings(), self.limits(), guide);
        #[cfg(not(feature = "aws"))]
        let client = Client::of(self.limits(), guide);
        client
    }

    /// A target without its region, and these options with it.
    pub(super) fn in_region_of(&self, target: Target) -> (Target, Self) {
        let mut options = self.clone();
        match target {
            Target::InRegion(target, region) => {
                options.region = Some(region);
                (*target, options)
            }
            target => (target, options),
        }
    }

    /// What was typed about AWS.
    #[cfg(feature = "aws")]
    pub(super) fn settings(&self) -> Settings {
        Settings {
            profile: self.profile.clone(),
            region: self.region.clone(),
            endpoints: self.endpoints.given(),
            mfa: self.mfa.settings(),
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
        let counter = self.counter("nodes");
        Box::new(move |count| counter.show(count))
    }

    fn can_choose(&self) -> bool {
        picker::can_ask()
    }

    fn choose(&self, question: String, choices: Vec<String>) -> Choice<'_> {
        Box::pin(picker::pick(question, choices))
    }

    fn session_started(&self) {
        mfa::close_prompt();
    }
}
