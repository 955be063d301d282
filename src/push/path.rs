//! The path of a push: `/metrics/job/JOB{/LABEL/VALUE}`, where `job@base64` and `LABEL@base64` say
//! that the value is in base64.
//!
//! The Pushgateway decodes the whole path, then splits it, and redirects what is not clean. Here it
//! is split, then each component decoded, so that no encoded slash makes another group of it; and
//! nothing is redirected, since clients come back with another method. What the Pushgateway refuses
//! is refused with its words. A value that is not UTF-8 is refused too: a Pushgateway refuses it,
//! but keeps the group, and then refuses every push there is.

use crate::model::quote::Quoted;
use crate::push::base64;
use crate::push::names::LabelNames;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const BASE64_SUFFIX: &str = "@base64";
const JOB: &str = "job";

/// The labels of a group, `job` among them.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct GroupingKey {
    labels: BTreeMap<String, String>,
}

/// Why a path names no group.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// It is no path of a push at all; the only error that is not the client's.
    #[error("not a path of a push: expected /metrics/job/JOB")]
    NotAPush,
    /// A `%` without two hexadecimal digits.
    #[error("invalid URL escape in {0}")]
    Escape(Quoted),
    /// `//`, which the Pushgateway redirects.
    #[error("empty component in the path: write an empty value as LABEL@base64/=")]
    EmptyComponent,
    /// `/./` or `/../`, which the Pushgateway redirects.
    #[error("component {0} in the path: write such a value in base64, as LABEL@base64/VALUE")]
    DotComponent(&'static str),
    /// `%2F`, which the Pushgateway takes for a slash.
    #[error("encoded slash in the path: write such a value in base64, as LABEL@base64/VALUE")]
    EncodedSlash,
    /// A label without a value.
    #[error("odd number of components in label string {0}")]
    OddComponents(Quoted),
    /// A label name that is none, or reserved.
    #[error("improper label name {0}")]
    LabelName(Quoted),
    /// A value that is no base64.
    #[error(
        "invalid base64 encoding for label {name}={value}: illegal base64 data at input byte {at}"
    )]
    LabelBase64 {
        /// The label.
        name: String,
        /// The value as it stands.
        value: Quoted,
        /// Where it is wrong.
        at: usize,
    },
    /// A job that is no base64.
    #[error("invalid base64 encoding in job name {before}: illegal base64 data at input byte {at}")]
    JobBase64 {
        /// What was decoded before it went wrong.
        before: Quoted,
        /// Where it is wrong.
        at: usize,
    },
    /// No job, or an empty one.
    #[error("job name is required")]
    NoJob,
    /// A name or a value that is not UTF-8.
    #[error("{0} in the path is not UTF-8")]
    NotUtf8(Quoted),
}

impl GroupingKey {
    /// Read the path of a request, without its query and without what stands before `/metrics`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong; see [`PathError`].
    pub fn from_path(path: &str, label_names: LabelNames) -> Result<Self, PathError> {
        let mut raw = path.strip_prefix('/').ok_or(PathError::NotAPush)?.split('/');
        let mut word = || raw.next().and_then(|word| decode(word).ok()).unwrap_or_default();
        let is_base64 = match (&*word(), &*word()) {
            (b"metrics", b"job") => false,
            (b"metrics", b"job@base64") => true,
            _ => return Err(PathError::NotAPush),
        };
        let job = raw.next().ok_or(PathError::NotAPush)?;
        let mut rest: Vec<&str> = raw.collect();
        // A slash behind the job says nothing.
        if rest == [""] {
            rest.clear();
        }
        check_clean(job, &rest)?;
        let job = decode(job)?;
        let rest = rest.into_iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        let before_slash = job.split(|byte| *byte == b'/').next().unwrap_or_default();
        let decoded = is_base64.then(|| base64::decode(before_slash)).transpose();
        let decoded =
            decoded.map_err(|e| PathError::JobBase64 { before: Quoted(e.before), at: e.at })?;
        check_slashes(&job, &rest)?;
        let job = decoded.unwrap_or(job);
        let mut labels = BTreeMap::new();
        for pair in rest.chunks_exact(2) {
            let (name, value) = label(&pair[0], &pair[1], label_names)?;
            labels.insert(name, value);
        }
        if job.is_empty() {
            return Err(PathError::NoJob);
        }
        labels.insert(JOB.to_owned(), utf8(job)?);
        Ok(Self { labels })
    }

    /// All labels, by name.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.labels.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The value of one of them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// The same group without a label that has no value, or with it; `None` if it has a value.
    pub(super) fn with_other_empty(&self, name: &str) -> Option<Self> {
        let mut labels = self.labels.clone();
        match labels.remove(name).as_deref() {
            Some("") => {}
            Some(_) => return None,
            None => drop(labels.insert(name.to_owned(), String::new())),
        }
        Some(Self { labels })
    }

    /// The job.
    pub fn job(&self) -> &str {
        self.labels.get(JOB).map(String::as_str).unwrap_or_default()
    }

    /// The one path that is written for the group: labels by name, and base64 for what a path
    /// cannot hold. Whoever reads it with the same `label_names` gets the same group.
    pub fn to_path(&self, label_names: LabelNames) -> String {
        let mut path = "/metrics".to_owned();
        write_label(&mut path, JOB, self.job());
        for (name, value) in self.labels().filter(|(name, _)| *name != JOB) {
            write_label(&mut path, &label_names.write(name), value);
        }
        path
    }
}

fn check_clean(job: &str, rest: &[&str]) -> Result<(), PathError> {
    if job.is_empty() {
        return Err(if rest.is_empty() { PathError::NoJob } else { PathError::EmptyComponent });
    }
    // The last component may be an empty value.
    let before_last = rest.split_last().map(|(_, before)| before).unwrap_or_default();
    if before_last.contains(&"") {
        return Err(PathError::EmptyComponent);
    }
    for component in [".", ".."] {
        if job == component || rest.contains(&component) {
            return Err(PathError::DotComponent(component));
        }
    }
    Ok(())
}

/// Refuse an odd number of components as the Pushgateway counts them, and slashes in components.
fn check_slashes(job: &[u8], rest: &[Vec<u8>]) -> Result<(), PathError> {
    let whole = std::iter::once(job).chain(rest.iter().map(Vec::as_slice));
    let whole = whole.collect::<Vec<_>>().join(&b'/');
    let n_slashes = memchr::memchr_iter(b'/', &whole).count();
    if n_slashes % 2 == 1 {
        let start = whole.iter().position(|byte| *byte == b'/').unwrap_or_default();
        return Err(PathError::OddComponents(whole[start..].into()));
    }
    if n_slashes == rest.len() { Ok(()) } else { Err(PathError::EncodedSlash) }
}

fn label(
    name: &[u8],
    value: &[u8],
    label_names: LabelNames,
) -> Result<(String, String), PathError> {
    let trimmed = name.strip_suffix(BASE64_SUFFIX.as_bytes());
    let component = trimmed.unwrap_or(name);
    let good = std::str::from_utf8(component).ok().and_then(|name| label_names.read(name));
    let label = good.ok_or_else(|| PathError::LabelName(component.into()))?;
    let value = match trimmed {
        None => value.to_vec(),
        Some(_) => base64::decode(value).map_err(|corrupt| PathError::LabelBase64 {
            name: String::from_utf8_lossy(component).into_owned(),
            value: value.into(),
            at: corrupt.at,
        })?,
    };
    Ok((label, utf8(value)?))
}

fn utf8(value: Vec<u8>) -> Result<String, PathError> {
    String::from_utf8(value).map_err(|error| PathError::NotUtf8(Quoted(error.into_bytes())))
}

/// Undo percent-encoding.
fn decode(component: &str) -> Result<Vec<u8>, PathError> {
    let mut out = Vec::with_capacity(component.len());
    let mut bytes = component.bytes();
    while let Some(byte) = bytes.next() {
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        out.push(if byte == b'%' {
            let value = digit().zip(digit()).map(|(high, low)| high * 16 + low);
            let value = value.and_then(|value| u8::try_from(value).ok());
            value.ok_or_else(|| PathError::Escape(component.as_bytes().into()))?
        } else {
            byte
        });
    }
    Ok(out)
}

fn write_label(path: &mut String, name: &str, value: &str) {
    path.push('/');
    write_encoded(path, name);
    if value.is_empty() || value.contains('/') || [".", ".."].contains(&value) {
        path.extend([BASE64_SUFFIX, "/"]);
        path.push_str(&base64::encode(value.as_bytes()));
        return;
    }
    path.push('/');
    write_encoded(path, value);
}

fn write_encoded(path: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // A string takes anything.
            write!(path, "%{byte:02X}").unwrap_or_default();
        }
    }
}
