//! From an upstream to its targets: which addresses there are now, and what is known about each.
//!
//! In goes a [`Plan`], out come [`Found`] targets, sorted by address and each once, with what went
//! wrong on the way. It is asked before each scrape; what is still valid is not asked for again.
//!
//! | source | targets | valid for | when asking fails |
//! |---|---|---|---|
//! | URL, file | one | ever | |
//! | `dns+` | each A or AAAA record | the TTL | the last answer, for `dns_keep` after it expired |
//! | `dnssrv+` | each address of each SRV record | the same | the same, for each name |
//! | `dnssrvnoa+` | each SRV record | the same | the same |
//! | `file_sd_configs` | what the files list | until a file changes | the last good list of that file |
//! | `http_sd_configs` | what the answer lists | the refresh interval | the last good list |
//!
//! **Nothing there is an answer.** That a name does not exist (NXDOMAIN), or has no such records,
//! is what a service without pods looks like: there are no targets now, and no problem. A server
//! that fails or is silent says nothing about targets: the last answer is used, and a [`Problem`]
//! says so. Of several search domains one that fails is a failure, unless another one answers.
//!
//! The host name of a URL stays the `Host` header and the name TLS asks for, whatever address is
//! used; behind SRV records it is the host that the record names. Nothing here logs or counts;
//! problems are the caller's to tell. What documents mean is an argument ([`ParseGroups`]).

pub mod dns;
mod files;
mod lists;
pub mod spec;
mod target;

use crate::http::Url;
use crate::http::proxy::ProxyRules;
use crate::source::Target;
use dns::Resolver;
use files::FileLists;
use lists::HttpList;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use target::labels_of_url;

pub use dns::DnsFamily;
pub use dns::DnsOptions;
pub use spec::Plan;
pub use spec::Source;

/// The most targets of one upstream. More are more likely a mistake than a wish.
pub const TARGETS_MAX: usize = 10_000;

/// A target, and what is known about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Discovered {
    /// What to scrape.
    pub target: Target,
    /// `__address__`, `__scheme__`, `__metrics_path__`, `__param_…`, `__meta_…`, and the labels of
    /// documents; sorted by name.
    pub labels: Vec<(String, String)>,
}

/// The targets of an upstream.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// Sorted by address, each once.
    pub targets: Vec<Discovered>,
    /// What went wrong. Where something was kept in its place, its targets are among `targets`.
    pub problems: Vec<Problem>,
    /// Targets that were named more than once.
    pub n_duplicates: usize,
}

/// Something that could not be found out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where: a name, a file, a URL without credentials.
    pub source: String,
    /// One of a closed set of words.
    pub reason: &'static str,
    /// One line for people.
    pub message: String,
    /// How long the answer that is used in place of a new one has been out of date.
    pub kept: Option<Duration>,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Syntax {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// Targets that share labels, as documents list them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TargetGroup {
    /// `host:port` each.
    pub targets: Vec<String>,
    /// The labels of all of them.
    pub labels: Vec<(String, String)>,
}

/// Reads a document of target groups; gives them, or what is wrong. The first argument is what to
/// call it.
pub type ParseGroups = fn(&str, &str, Syntax) -> Result<Vec<TargetGroup>, String>;

/// What finding targets needs from outside.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Looks names up.
    pub resolver: Arc<Resolver>,
    /// Reads documents.
    pub parse: ParseGroups,
    /// Proxies on the way to lists.
    pub proxies: ProxyRules,
}

/// Finds the targets of one upstream, and remembers what it found.
#[derive(Debug)]
pub struct Discovery {
    plan: Plan,
    resolver: Arc<Resolver>,
    /// One for each source of the plan.
    lists: Vec<List>,
}

/// What a source needs to remember.
#[derive(Debug)]
enum List {
    Nothing,
    Files(FileLists),
    Http(Box<HttpList>),
}

impl Discovery {
    /// Prepare to find; nothing is asked yet.
    pub fn new(plan: Plan, tools: &Tools) -> Self {
        let lists = plan.sources.iter().map(|source| match source {
            Source::Fixed(_) | Source::Dns(_) => List::Nothing,
            Source::Files(files) => List::Files(FileLists::new(files.clone(), tools.parse)),
            Source::Http(http) => List::Http(Box::new(HttpList::new(
                http.as_ref().clone(),
                tools.proxies.clone(),
                tools.parse,
            ))),
        });
        Self { lists: lists.collect(), resolver: Arc::clone(&tools.resolver), plan }
    }

    /// What is to be found.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The targets, where all of them are named one by one: there is nothing to be found out then.
    pub fn fixed_targets(&self) -> Option<Found> {
        let mut found = Found::default();
        for source in &self.plan.sources {
            let Source::Fixed(target) = source else { return None };
            found.targets.push(self.fixed(target));
        }
        found.settle();
        Some(found)
    }

    /// The targets there are now.
    ///
    /// Each lookup and each fetch has a time limit of its own; a caller in a hurry drops this.
    pub fn find(&self) -> Pin<Box<dyn Future<Output = Found> + Send + '_>> {
        // Boxed, so that nobody's type holds all that a lookup may wait for.
        Box::pin(self.find_now())
    }

    async fn find_now(&self) -> Found {
        let mut found = Found::default();
        for (source, list) in self.plan.sources.iter().zip(&self.lists) {
            match (source, list) {
                (Source::Fixed(target), _) => found.targets.push(self.fixed(target)),
                (Source::Dns(dns), _) => {
                    self.resolver.find(dns, &self.plan.params, &mut found).await;
                }
                (_, List::Files(files)) => {
                    let groups = files.groups(&mut found.problems).await;
                    self.add(&groups, &source.to_string(), &mut found);
                }
                (_, List::Http(http)) => {
                    let groups = http.groups(&mut found.problems).await;
                    self.add(&groups, &source.to_string(), &mut found);
                }
                (_, List::Nothing) => {}
            }
        }
        found.settle();
        found
    }

    fn fixed(&self, target: &Target) -> Discovered {
        let with_params = |url: &Url| url.with_params(&self.plan.params);
        let target = match target {
            Target::Http(url) => Target::Http(with_params(url)),
            Target::At(url, address) => Target::At(with_params(url), *address),
            Target::File(_) | Target::Local(_) => target.clone(),
        };
        let labels = match &target {
            Target::Http(url) | Target::At(url, _) => {
                labels_of_url(url, &target.instance(), Vec::new())
            }
            Target::File(_) | Target::Local(_) => {
                vec![("__address__".to_owned(), target.instance())]
            }
        };
        Discovered { target, labels }
    }

    fn add(&self, groups: &[TargetGroup], source: &str, found: &mut Found) {
        for group in groups {
            for address in &group.targets {
                match target::of_group(&self.plan, address, &group.labels) {
                    Ok(discovered) => found.targets.push(discovered),
                    Err(message) => found.problem(source, "bad_target", message),
                }
            }
        }
    }
}

impl Found {
    fn problem(&mut self, source: &str, reason: &'static str, message: String) {
        let source = source.to_owned();
        self.problems.push(Problem { source, reason, message, kept: None });
    }

    /// Sort by address and leave each target once; what is too much is left out.
    fn settle(&mut self) {
        self.targets
            .sort_by_cached_key(|found| (target::order(&found.target), found.labels.clone()));
        let n_named = self.targets.len();
        // Equal targets stand side by side: their order is that of everything that tells them apart.
        self.targets.dedup_by(|a, b| a.target == b.target);
        self.n_duplicates = n_named - self.targets.len();
        let n_targets = self.targets.len();
        if n_targets > TARGETS_MAX {
            self.targets.truncate(TARGETS_MAX);
            let message = format!("{n_targets} targets, of which only {TARGETS_MAX} are scraped");
            self.problem("upstream", "too_many_targets", message);
        }
    }
}
