//! Policy documents: JSON, read into statements.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use thiserror::Error;

use super::{
    condition::Condition,
    pattern::{ActionPattern, ArnPattern},
};
use crate::malformed::Malformed;

/// An identity policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The file that it is from.
    pub(super) name: String,
    pub(super) statements: Vec<Statement>,
}

impl Policy {
    /// Reads a document; `name` is for errors.
    ///
    /// # Errors
    /// [`PolicyError`], for everything that AWS would refuse and all that is not evaluated here.
    pub fn read(name: &str, json: &str) -> Result<Self, PolicyError> {
        let statements = read_statements(name, json, |members| {
            let resources = members.one_of("Resource", "NotResource", ArnPattern::read)?;
            members.statement(resources)
        })?;
        Ok(Self { name: name.to_owned(), statements })
    }

    /// What allows everything.
    pub fn of_everything() -> Self {
        let statement = Statement {
            label: "1".to_owned(),
            effect: Effect::Allow,
            actions: Selection::of(vec![ActionPattern::any()]),
            resources: Selection::of(vec![ArnPattern::Any]),
            conditions: Vec::new(),
        };
        Self { name: "everything".to_owned(), statements: vec![statement] }
    }

    /// What is odd about it, and no error: a name that nobody has means nothing at AWS either.
    pub fn slips(&self) -> impl Iterator<Item = String> {
        self.statements.iter().flat_map(|statement| statement.slips(&self.name))
    }
}

/// What one statement says of which calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Its number, and its name if it has one.
    pub label: String,
    pub effect: Effect,
    pub actions: Selection<ActionPattern>,
    pub resources: Selection<ArnPattern>,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
}

impl Statement {
    /// What is odd about its actions, in the policy of this name.
    pub fn slips(&self, policy: &str) -> impl Iterator<Item = String> {
        let slips = self.actions.patterns.iter().filter_map(ActionPattern::slip);
        slips.map(move |slip| format!("{policy}, {}: {slip}", self.label))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// Some, or all but some.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection<T> {
    patterns: Vec<T>,
    /// `NotAction`, `NotResource`.
    inverted: bool,
}

impl<T> Selection<T> {
    /// Whatever one of `patterns` fits.
    pub fn of(patterns: Vec<T>) -> Self {
        Self { patterns, inverted: false }
    }

    /// Whether it selects what `fits` says of each pattern.
    pub fn include(&self, fits: impl Fn(&T) -> bool) -> bool {
        self.patterns.iter().any(fits) != self.inverted
    }
}

/// A document that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// It is no JSON.
    #[error("{document}: {problem}")]
    Json {
        /// The document's name.
        document: String,
        /// The parser's words, with the line.
        problem: String,
    },
    /// Something outside of the statements.
    #[error("{document}: {problem}")]
    Document {
        /// The document's name.
        document: String,
        /// What is wrong.
        problem: String,
    },
    /// Something in a statement.
    #[error("{document}, {statement}: {problem}")]
    Statement {
        /// The document's name.
        document: String,
        /// Its number from 1, and its `Sid`.
        statement: String,
        /// What is wrong.
        problem: String,
    },
}

/// Reads the document's outer part, and every statement with `read`.
pub(super) fn read_statements<T>(
    name: &str,
    json: &str,
    read: impl Fn(&mut Members) -> Result<T, Malformed>,
) -> Result<Vec<T>, PolicyError> {
    let document = || name.to_owned();
    let refuse = |problem: String| PolicyError::Document { document: document(), problem };
    let json = serde_json::from_str(json)
        .map_err(|error| PolicyError::Json { document: document(), problem: error.to_string() })?;
    let Json::Object(mut outer) = json else {
        return Err(refuse("not a JSON object".to_owned()));
    };
    outer.remove("Id");
    // Without it, or with the older one, AWS takes variables for plain text.
    match outer.remove("Version") {
        Some(Json::Text(version)) if version == VERSION => {}
        _ => return Err(refuse(format!("\"Version\" must be \"{VERSION}\""))),
    }
    let statements = match outer.remove("Statement") {
        Some(Json::Array(statements)) => statements,
        Some(statement @ Json::Object(_)) => vec![statement],
        _ => return Err(refuse("\"Statement\" must be an object or an array".to_owned())),
    };
    if let Some(key) = outer.keys().next() {
        return Err(refuse(format!("no policy has the element \"{key}\"")));
    }
    let mut read_ones = Vec::new();
    for (index, statement) in statements.into_iter().enumerate() {
        let mut members =
            Members { label: format!("statement {}", index + 1), members: BTreeMap::new() };
        let read = match statement {
            Json::Object(object) => {
                members.members = object;
                members.take_label().and_then(|()| read(&mut members)).and_then(|read| {
                    members.finish()?;
                    Ok(read)
                })
            }
            _ => Err("not a JSON object".into()),
        };
        let refuse = |problem: Malformed| PolicyError::Statement {
            document: document(),
            statement: members.label.clone(),
            problem: problem.to_string(),
        };
        read_ones.push(read.map_err(refuse)?);
    }
    Ok(read_ones)
}

/// A statement's elements that are not read yet.
pub(super) struct Members {
    label: String,
    members: BTreeMap<String, Json>,
}

impl Members {
    /// The elements that all kinds of statements have.
    pub fn statement(&mut self, resources: Selection<ArnPattern>) -> Result<Statement, Malformed> {
        let effect = match self.members.remove("Effect") {
            Some(Json::Text(text)) if text == "Allow" => Effect::Allow,
            Some(Json::Text(text)) if text == "Deny" => Effect::Deny,
            _ => return Err("\"Effect\" must be \"Allow\" or \"Deny\"".into()),
        };
        let actions = self.one_of("Action", "NotAction", ActionPattern::read)?;
        let conditions = match self.members.remove("Condition") {
            None => Vec::new(),
            Some(condition) => read_conditions(condition)?,
        };
        Ok(Statement { label: self.label.clone(), effect, actions, resources, conditions })
    }

    /// One of two elements that exclude each other.
    pub fn one_of<T>(
        &mut self,
        plain: &str,
        inverted: &str,
        read: impl Fn(&str) -> Result<T, Malformed>,
    ) -> Result<Selection<T>, Malformed> {
        let (values, inverted) = match (self.members.remove(plain), self.members.remove(inverted)) {
            (Some(values), None) => (values, false),
            (None, Some(values)) => (values, true),
            _ => return Err(format!("it needs one of \"{plain}\" and \"{inverted}\"").into()),
        };
        let values =
            values.texts().ok_or(format!("\"{plain}\" must be a text or a list of texts"))?;
        let patterns = values.iter().map(|value| read(value)).collect::<Result<Vec<_>, _>>()?;
        Ok(Selection { patterns, inverted })
    }

    /// An element by its name.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        self.members.remove(name)
    }

    fn take_label(&mut self) -> Result<(), Malformed> {
        match self.members.remove("Sid") {
            None => Ok(()),
            Some(Json::Text(sid)) => {
                self.label = format!("{} ({sid})", self.label);
                Ok(())
            }
            Some(_) => Err("\"Sid\" must be a text".into()),
        }
    }

    fn finish(&self) -> Result<(), Malformed> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(key) => Err(format!("the element \"{key}\" has no place here").into()),
        }
    }
}

fn read_conditions(block: Json) -> Result<Vec<Condition>, Malformed> {
    let malformed = || Malformed::from("\"Condition\" must be {operator: {key: values}}");
    let Json::Object(operators) = block else { return Err(malformed()) };
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let Json::Object(keys) = keys else { return Err(malformed()) };
        for (key, values) in keys {
            let values = values.texts().ok_or_else(malformed)?;
            conditions.push(Condition::read(&operator, &key, &values)?);
        }
    }
    Ok(conditions)
}

/// JSON in which no key stands twice. Numbers and truth values are texts, as policies have it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// One text, or a list of them.
    pub fn texts(self) -> Option<Vec<String>> {
        match self {
            Self::Text(text) => Some(vec![text]),
            Self::Array(items) => items.into_iter().map(Self::text).collect(),
            Self::Object(_) => None,
        }
    }

    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true or false, a list or an object")
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, Json>()? {
            if object.contains_key(&key) {
                return Err(serde::de::Error::custom(format!("the key \"{key}\" stands twice")));
            }
            object.insert(key, value);
        }
        Ok(Json::Object(object))
    }
}

const VERSION: &str = "2012-10-17";
