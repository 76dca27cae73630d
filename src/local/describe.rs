//! The questions of DescribeSessions and DescribeInstanceInformation: filters and pages.

use std::time::SystemTime;

use super::error::ServiceError;
use super::node::Node;
use super::session::Session;

/// One page of an answer.
#[derive(Debug)]
pub struct Page<'a, T> {
    /// What was found, at most as much as was asked for.
    pub items: Vec<&'a T>,
    /// Where the next page begins; none after the last one.
    pub next_token: Option<String>,
}

impl<'a, T> Page<'a, T> {
    /// Takes the first `limit` of `found`; `place` names an item for [`Page::next_token`].
    fn cut(found: impl Iterator<Item = &'a T>, limit: usize, place: fn(&T) -> String) -> Self {
        // One more than asked for tells whether there is a next page.
        let mut items: Vec<&T> = found.take(limit.saturating_add(1)).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next_token = items.last().filter(|_| more).map(|last| place(last));
        Self { items, next_token }
    }
}

/// Which sessions, and how many of them at a time.
#[derive(Debug, Clone, Default)]
pub struct DescribeSessions {
    /// Those that are over, instead of those alive.
    pub history: bool,
    /// All of these must hold: a key, and the value it must have.
    pub filters: Vec<(String, String)>,
    /// 1 to 200; none means 200.
    pub max_results: Option<usize>,
    /// [`Page::next_token`] of the page before.
    pub next_token: Option<String>,
}

impl DescribeSessions {
    /// Answers from sessions that come youngest first.
    pub(super) fn page<'a>(
        &self,
        sessions: impl Iterator<Item = &'a Session>,
    ) -> Result<Page<'a, Session>, ServiceError> {
        let limit = check_limit(self.max_results, 1, 200)?;
        let filters = self.filters.iter().map(|(key, value)| SessionFilter::read(key, value));
        let filters = filters.collect::<Result<Vec<_>, _>>()?;
        // The serial number of the last session shown, so that sessions which come or go between
        // two pages make no other appear twice or never.
        let before = match &self.next_token {
            None => u64::MAX,
            Some(token) => token.parse().map_err(|_| ServiceError::InvalidNextToken)?,
        };
        let found = sessions
            .filter(|session| session.serial < before)
            .filter(|session| filters.iter().all(|filter| filter.holds(session)));
        Ok(Page::cut(found, limit, |last| last.serial.to_string()))
    }
}

/// What must hold of a session.
enum SessionFilter<'a> {
    Target(&'a str),
    Owner(&'a str),
    Status(&'a str),
    Id(&'a str),
    AccessType(&'a str),
    StartedAfter(SystemTime),
    StartedBefore(SystemTime),
}

impl<'a> SessionFilter<'a> {
    fn read(key: &str, value: &'a str) -> Result<Self, ServiceError> {
        let date = || {
            humantime::parse_rfc3339(value).map_err(|_| ServiceError::Constraint {
                member: "filters",
                constraint: format!("the value of {key} must be a time such as {A_TIME}"),
            })
        };
        Ok(match key {
            "Target" => Self::Target(value),
            "Owner" => Self::Owner(value),
            "Status" => Self::Status(value),
            "SessionId" => Self::Id(value),
            "AccessType" => Self::AccessType(value),
            "InvokedAfter" => Self::StartedAfter(date()?),
            "InvokedBefore" => Self::StartedBefore(date()?),
            _ => return Err(ServiceError::InvalidFilterKey { key: key.to_owned() }),
        })
    }

    fn holds(&self, session: &Session) -> bool {
        match *self {
            Self::Target(id) => session.target == id,
            Self::Owner(arn) => session.owner.arn == arn,
            Self::Status(name) => session.state().name() == name,
            Self::Id(id) => session.id == id,
            Self::AccessType(name) => ACCESS_TYPE == name,
            Self::StartedAfter(date) => session.started >= date,
            Self::StartedBefore(date) => session.started < date,
        }
    }
}

/// Which nodes, and how many of them at a time.
#[derive(Debug, Clone, Default)]
pub struct DescribeNodes {
    /// All of these must hold: a key, and the values of which it must have one.
    pub filters: Vec<(String, Vec<String>)>,
    /// 5 to 50; none means 50.
    pub max_results: Option<usize>,
    /// [`Page::next_token`] of the page before.
    pub next_token: Option<String>,
}

impl DescribeNodes {
    /// Answers from nodes that come in the order of their ids.
    pub(super) fn page<'a>(
        &self,
        nodes: impl Iterator<Item = &'a Node> + Clone,
    ) -> Result<Page<'a, Node>, ServiceError> {
        let limit = check_limit(self.max_results, 5, 50)?;
        let after = self.next_token.as_deref();
        if after.is_some_and(|token| !nodes.clone().any(|node| node.id == token)) {
            return Err(ServiceError::InvalidNextToken);
        }
        let mut found = Vec::new();
        for node in nodes.filter(|node| after.is_none_or(|last| node.id.as_str() > last)) {
            if self.matches(node)? {
                found.push(node);
            }
        }
        Ok(Page::cut(found.into_iter(), limit, |last| last.id.clone()))
    }

    fn matches(&self, node: &Node) -> Result<bool, ServiceError> {
        let mut all = true;
        for (key, values) in &self.filters {
            let Some(actual) = node.filter_values(key) else {
                return Err(ServiceError::InvalidFilterKey { key: key.clone() });
            };
            all &= values.iter().any(|value| actual.contains(&value.as_str()));
        }
        Ok(all)
    }
}

fn check_limit(asked: Option<usize>, least: usize, greatest: usize) -> Result<usize, ServiceError> {
    let limit = asked.unwrap_or(greatest);
    if (least..=greatest).contains(&limit) {
        return Ok(limit);
    }
    Err(ServiceError::Constraint {
        member: "maxResults",
        constraint: format!("Member must have value from {least} to {greatest}"),
    })
}

/// As AWS's documentation has it.
const A_TIME: &str = "2024-08-29T00:00:00Z";

/// Sessions that someone had to grant first (`JustInTime`) do not exist here.
pub(super) const ACCESS_TYPE: &str = "Standard";
