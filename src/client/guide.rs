//! Who is told and asked while a target is found and a session is started.

#[cfg(feature = "aws")]
use std::fmt::Display;
use std::pin::Pin;
#[cfg(feature = "aws")]
use std::sync::Arc;

use super::Error;
#[cfg(feature = "aws")]
use super::ListedNode;

/// Shows how far something has been counted, until it is dropped.
pub type Counting = Box<dyn Fn(usize) + Send + Sync>;

/// What a guide answers, once it knows.
pub type Choice<'a> = Pin<Box<dyn Future<Output = Result<usize, Error>> + Send + 'a>>;

/// Whether a guide agrees, once it knows.
pub type Agreement<'a> = Pin<Box<dyn Future<Output = Result<bool, Error>> + Send + 'a>>;

/// Somebody who follows what a client does before a session stands. A client without one says nothing,
/// and takes nothing but targets that are clear.
pub trait Guide: Send + Sync {
    /// Something that is worth knowing and stops nothing, in one line.
    fn note(&self, _text: &str) {}

    /// Nodes are counted from now on; there may be thousands.
    fn counting(&self) -> Counting {
        Box::new(|_| ())
    }

    /// Whether [`choose`](Self::choose) can be answered.
    fn can_choose(&self) -> bool {
        false
    }

    /// Which of `choices` is meant, by its place among them.
    fn choose(&self, _question: String, _choices: Vec<String>) -> Choice<'_> {
        let nobody = Error::local("nobody can be asked which one is meant");
        Box::pin(async { Err(nobody) })
    }

    /// Whether something is to be done that the user may not want. Asked of those that
    /// [can choose](Self::can_choose).
    fn agree(&self, _question: String) -> Agreement<'_> {
        let nobody = Error::local("nobody can be asked whether that is wanted");
        Box::pin(async { Err(nobody) })
    }

    /// The account has these nodes in `region`; there may be others.
    #[cfg(feature = "aws")]
    fn nodes_seen(&self, _region: &str, _nodes: &[ListedNode]) {}

    /// A session was started, and what is typed from now on is for it: nothing is asked any more.
    fn session_started(&self) {}
}

/// Which of `choices` is meant.
#[cfg(feature = "aws")]
pub(super) async fn chosen<T: Display>(
    guide: &dyn Guide,
    question: String,
    mut choices: Vec<T>,
) -> Result<T, Error> {
    let shown = choices.iter().map(ToString::to_string).collect();
    let chosen = guide.choose(question, shown).await?;
    if chosen >= choices.len() {
        return Err(Error::local(format!("there is no choice number {chosen}")));
    }
    Ok(choices.swap_remove(chosen))
}

/// The same for nodes of another account than the one that it keeps those for that it sees.
#[cfg(feature = "aws")]
pub(super) struct Elsewhere(pub(super) Arc<dyn Guide>);

#[cfg(feature = "aws")]
impl Guide for Elsewhere {
    fn note(&self, text: &str) {
        self.0.note(text);
    }

    fn counting(&self) -> Counting {
        self.0.counting()
    }

    fn can_choose(&self) -> bool {
        self.0.can_choose()
    }

    fn choose(&self, question: String, choices: Vec<String>) -> Choice<'_> {
        self.0.choose(question, choices)
    }

    fn agree(&self, question: String) -> Agreement<'_> {
        self.0.agree(question)
    }

    fn session_started(&self) {
        self.0.session_started();
    }
}

/// Nobody.
pub(super) struct Alone;

impl Guide for Alone {}
