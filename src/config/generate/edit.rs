//! Changes to a document: families, and the series they list.
//!
//! A change makes a new document; whoever asked for it decodes and compiles that before it counts.

use crate::config::decode;
use crate::config::decode::Path;
use crate::config::decode::Report;
use crate::config::generate::Document;
use crate::config::generate::text;
use crate::config::node::Kind;
use crate::config::node::Node;
use serde_json::Value;
use std::collections::BTreeMap;

/// Why a change cannot be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is no such family or series.
    #[error("there is no {0}")]
    Missing(String),
    /// It is there already.
    #[error("there is already a {0}")]
    Exists(String),
    /// The body is no family or series.
    #[error("{0}")]
    Malformed(String),
}

type Labels = BTreeMap<String, String>;

impl Document {
    /// The families as written, by name.
    pub fn families(&self) -> Vec<(String, Value)> {
        self.family_nodes().iter().map(|node| (name_of(node), text::to_json(node))).collect()
    }

    /// A family as written.
    pub fn family(&self, name: &str) -> Option<Value> {
        self.family_nodes().iter().find(|node| name_of(node) == name).map(text::to_json)
    }

    /// The document with one family more, at its end.
    ///
    /// # Errors
    /// A body without a name, or a name there is already.
    pub fn with_family(&self, family: &Value) -> Result<Self, EditError> {
        let node = text::from_json(family);
        let name = named(&node)?;
        if self.family(&name).is_some() {
            return Err(EditError::Exists(format!("family {name:?}")));
        }
        self.changed(|families| {
            families.push(node);
            Ok(())
        })
    }

    /// The document with another family in the place of one.
    ///
    /// # Errors
    /// No such family, or a body whose name is another's.
    pub fn with_family_changed(&self, name: &str, family: &Value) -> Result<Self, EditError> {
        let node = text::from_json(family);
        let new_name = named(&node)?;
        if new_name != name && self.family(&new_name).is_some() {
            return Err(EditError::Exists(format!("family {new_name:?}")));
        }
        self.changed(|families| {
            *find_family(families, name)? = node;
            Ok(())
        })
    }

    /// The document without a family.
    ///
    /// # Errors
    /// No such family.
    pub fn without_family(&self, name: &str) -> Result<Self, EditError> {
        self.changed(|families| {
            find_family(families, name)?;
            families.retain(|node| name_of(node) != name);
            Ok(())
        })
    }

    /// The document with one of its families alone; without that family it has none.
    #[must_use]
    pub fn only_family(&self, name: &str) -> Self {
        let only = self.changed(|families| {
            families.retain(|node| name_of(node) == name);
            Ok(())
        });
        only.unwrap_or_else(|_| self.clone())
    }

    /// The number under `seed`.
    pub fn seed(&self) -> u64 {
        let seed = field(&self.root, "seed").and_then(Node::as_scalar);
        seed.and_then(|seed| seed.unsigned().ok()).unwrap_or_default()
    }

    /// One of the series a family lists, as written; it is known by its labels.
    ///
    /// # Errors
    /// No such family, or the family does not list such a series.
    pub fn one_series(&self, family: &str, labels: &Labels) -> Result<Value, EditError> {
        let mut families = self.family_nodes().to_vec();
        let node = find_family(&mut families, family)?;
        let mut found = series_of(node).iter().filter(|node| labels_of(node) == *labels);
        found.next().map(text::to_json).ok_or_else(|| EditError::Missing(shown(labels)))
    }

    /// The document with a number at its top, in the place of another or beside the rest.
    #[must_use]
    pub fn with_number(&self, field: &str, number: u64) -> Self {
        let mut root = self.root.clone();
        let value = text::plain(root.at, &number.to_string());
        if let Kind::Map(pairs) = &mut root.kind {
            match pairs.iter_mut().find(|(key, _)| is_called(key, field)) {
                Some((_, old)) => *old = value,
                None => pairs.insert(0, (text::plain(root.at, field), value)),
            }
        }
        Self { name: self.name.clone(), root }
    }

    /// The series a family lists, as written. Those of its labels are not among them.
    pub fn series(&self, family: &str) -> Result<Vec<Value>, EditError> {
        let mut families = self.family_nodes().to_vec();
        let node = find_family(&mut families, family)?;
        Ok(series_of(node).iter().map(text::to_json).collect())
    }

    /// The document with one series more in a family.
    ///
    /// # Errors
    /// No such family, or labels it lists already.
    pub fn with_series(&self, family: &str, series: &Value) -> Result<Self, EditError> {
        let node = text::from_json(series);
        let labels = labels_of(&node);
        self.with_series_list(family, |list| {
            if list.iter().any(|node| labels_of(node) == labels) {
                return Err(EditError::Exists(shown(&labels)));
            }
            list.push(node);
            Ok(())
        })
    }

    /// The document with another series in the place of one, which is known by its labels.
    ///
    /// # Errors
    /// No such family or series, or new labels that are another's.
    pub fn with_series_changed(
        &self,
        family: &str,
        labels: &Labels,
        series: &Value,
    ) -> Result<Self, EditError> {
        let node = text::from_json(series);
        let new_labels = labels_of(&node);
        self.with_series_list(family, |list| {
            if new_labels != *labels && list.iter().any(|node| labels_of(node) == new_labels) {
                return Err(EditError::Exists(shown(&new_labels)));
            }
            let mut found = list.iter_mut().filter(|node| labels_of(node) == *labels);
            *found.next().ok_or_else(|| EditError::Missing(shown(labels)))? = node;
            Ok(())
        })
    }

    /// The document without a series, which is known by its labels.
    ///
    /// # Errors
    /// No such family, or the family does not list such a series.
    pub fn without_series(&self, family: &str, labels: &Labels) -> Result<Self, EditError> {
        self.with_series_list(family, |list| {
            let n_series = list.len();
            list.retain(|node| labels_of(node) != *labels);
            if list.len() == n_series {
                return Err(EditError::Missing(shown(labels)));
            }
            Ok(())
        })
    }

    fn with_series_list(
        &self,
        family: &str,
        change: impl FnOnce(&mut Vec<Node>) -> Result<(), EditError>,
    ) -> Result<Self, EditError> {
        self.changed(|families| {
            let node = find_family(families, family)?;
            let mut list = series_of(node).to_vec();
            change(&mut list)?;
            let at = node.at;
            if let Kind::Map(pairs) = &mut node.kind {
                pairs.retain(|(key, _)| !is_called(key, "series"));
                if !list.is_empty() {
                    let list = Node::made(at, Kind::List(list));
                    pairs.push((text::plain(at, "series"), list));
                }
            }
            Ok(())
        })
    }

    fn family_nodes(&self) -> &[Node] {
        field(&self.root, "families").map_or(&[], items)
    }

    /// A copy in which the list of families is another.
    fn changed(
        &self,
        change: impl FnOnce(&mut Vec<Node>) -> Result<(), EditError>,
    ) -> Result<Self, EditError> {
        let mut families = self.family_nodes().to_vec();
        change(&mut families)?;
        let mut root = self.root.clone();
        if let Kind::Map(pairs) = &mut root.kind {
            for (key, value) in pairs {
                if is_called(key, "families") {
                    *value = Node::made(value.at, Kind::List(std::mem::take(&mut families)));
                }
            }
        }
        Ok(Self { name: self.name.clone(), root })
    }
}

fn find_family<'n>(families: &'n mut [Node], name: &str) -> Result<&'n mut Node, EditError> {
    let mut found = families.iter_mut().filter(|node| name_of(node) == name);
    found.next().ok_or_else(|| EditError::Missing(format!("family {name:?}")))
}

fn named(node: &Node) -> Result<String, EditError> {
    let name = name_of(node);
    if name.is_empty() {
        return Err(EditError::Malformed("a family is an object with a name".to_owned()));
    }
    Ok(name)
}

fn name_of(node: &Node) -> String {
    let name = field(node, "name").and_then(Node::as_scalar);
    name.map(|name| name.text.clone()).unwrap_or_default()
}

fn series_of(family: &Node) -> &[Node] {
    field(family, "series").map_or(&[], items)
}

fn labels_of(series: &Node) -> Labels {
    let mut nobody = Report::new("");
    let labels = field(series, "labels");
    let entries =
        labels.and_then(|labels| decode::fields(labels, "", &Path::default(), &mut nobody));
    let pairs = entries.unwrap_or_default().into_iter().filter_map(|entry| {
        let value = entry.value.as_scalar()?.text.clone();
        Some((entry.name, value))
    });
    // A label without a value is no label.
    pairs.filter(|(_, value)| !value.is_empty()).collect()
}

fn shown(labels: &Labels) -> String {
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("series {{{}}}", labels.join(","))
}

fn field<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Kind::Map(pairs) = &node.kind else { return None };
    pairs.iter().find(|(key, _)| is_called(key, name)).map(|(_, value)| value)
}

fn is_called(key: &Node, name: &str) -> bool {
    key.as_scalar().is_some_and(|key| key.text == name)
}

fn items(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::List(items) => items,
        _ => &[],
    }
}
