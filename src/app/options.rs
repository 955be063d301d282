//! What the command line says, in plain types, and how it becomes a gate's configuration.
//!
//! Options are as typed and may contradict each other; [`Options::load`] checks them all, reads the
//! rules, and tells everything that is wrong.

use crate::aggregate::merge::MergePolicy;
use crate::app::check;
use crate::app::clock;
use crate::app::gate::GateConfig;
use crate::config::RelabelFile;
use crate::config::parse_relabel_file;
use crate::engine::OutputConfig;
use crate::http::client::AskFor;
use crate::http::proxy::ProxyRules;
use crate::http::server::ServerLimits;
use crate::ledger::ReadLimits;
use crate::source::Target;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::http::proxy::ProxySettings;

/// metric-gate's default: the controller of ingress-nginx in the same pod.
pub const UPSTREAM: &str = "http://localhost:10254/metrics";
/// As metric-gate.
pub const PORT: u16 = 8080;
/// Older subsets are not shown.
pub const SUBSET_MAX_AGE: Duration = Duration::from_mins(5);
/// A body of three million ingress-nginx series.
pub const BODY_BYTES_MAX: u64 = 1 << 30;
/// Label values are paths and messages at times; this is beyond any of them.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// About half a gigabyte of rows.
pub const SERIES_MAX: usize = 5_000_000;
/// As many as anybody uses, several times over.
pub const LABELS_MAX: usize = 256;
/// Far more than the few scrapers a gate has.
pub const CONNECTIONS_MAX: usize = 512;
/// Long enough for a connection to be kept between two scrapes.
pub const HEADER_TIME_MAX: Duration = Duration::from_secs(30);
/// A client that reads nothing for this long is gone.
pub const STALL_TIME_MAX: Duration = Duration::from_mins(1);
/// Within the 30 s that Kubernetes gives a pod to end.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(20);

/// How series that become one are merged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Merge {
    /// By the type of their family.
    #[default]
    Typed,
    /// Summed, whatever they are, as metric-gate does.
    Sum,
}

/// Which encodings to ask the target for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UpstreamEncoding {
    /// As is on loopback, gzip across a network.
    #[default]
    Auto,
    /// As is.
    Identity,
    /// gzip.
    Gzip,
}

/// What the command line says about the gate.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to scrape.
    pub upstream: String,
    /// Rules as text; empty for none.
    pub relabel: String,
    /// A file of rules.
    pub relabel_file: Option<PathBuf>,
    /// How long a scrape may take.
    pub scrape_timeout: Option<Duration>,
    /// `HOST`, `HOST:PORT`, `[V6]:PORT` or `:PORT`; empty for all addresses.
    pub listen_address: String,
    /// The port, where the listen address has none.
    pub port: Option<u16>,
    /// How series are merged.
    pub merge: Merge,
    /// How old a subset may be.
    pub subset_max_age: Duration,
    /// Whether samples of subsets carry the time of their scrape.
    pub subset_timestamps: bool,
    /// Which encodings to ask the target for.
    pub upstream_encoding: UpstreamEncoding,
    /// Bytes of a decoded body.
    pub body_bytes_max: u64,
    /// Bytes of a line.
    pub line_bytes_max: usize,
    /// Series of a body.
    pub series_max: usize,
    /// Labels of a series.
    pub labels_max: usize,
    /// Connections at the same time.
    pub connections_max: usize,
    /// Time for the head of a request.
    pub header_time_max: Duration,
    /// Time without progress in sending an answer.
    pub stall_time_max: Duration,
    /// Time for open requests to finish once weir stops.
    pub drain_time_max: Duration,
    /// Proxies, from the environment.
    pub proxies: ProxySettings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            upstream: UPSTREAM.to_owned(),
            relabel: String::new(),
            relabel_file: None,
            scrape_timeout: None,
            listen_address: String::new(),
            port: None,
            merge: Merge::default(),
            subset_max_age: SUBSET_MAX_AGE,
            subset_timestamps: true,
            upstream_encoding: UpstreamEncoding::default(),
            body_bytes_max: BODY_BYTES_MAX,
            line_bytes_max: LINE_BYTES_MAX,
            series_max: SERIES_MAX,
            labels_max: LABELS_MAX,
            connections_max: CONNECTIONS_MAX,
            header_time_max: HEADER_TIME_MAX,
            stall_time_max: STALL_TIME_MAX,
            drain_time_max: DRAIN_TIME_MAX,
            proxies: ProxySettings::default(),
        }
    }
}

impl Options {
    /// Check everything, read the rules, and make a gate's configuration.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, a line each.
    pub fn load(&self) -> Result<GateConfig, Vec<String>> {
        let mut errors = Vec::new();
        let mut note = |error: String| errors.push(error);
        let target = Target::parse(&self.upstream)
            .map_err(|e| note(format!("--upstream {}: {e}", shown(&self.upstream))))
            .ok();
        let proxies = ProxyRules::new(&self.proxies)
            .map_err(|e| note(format!("HTTP_PROXY or HTTPS_PROXY is no proxy's URL: {e}")))
            .ok();
        self.bind_address().map_err(&mut note).ok();
        let rules = self.rules().map_err(|lines| errors.extend(lines)).ok();
        match (target, proxies, rules) {
            (Some(target), Some(proxies), Some(rules)) if errors.is_empty() => {
                for warning in &rules.warnings {
                    let warning = warning.to_string();
                    tracing::warn!(warning, "The rules are allowed but probably not meant.");
                }
                Ok(self.config(target, proxies, rules))
            }
            _ => Err(errors),
        }
    }

    /// Read the rules again.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them, a line each.
    pub fn reload(&self) -> Result<Vec<OutputConfig>, Vec<String>> {
        self.rules().map(outputs)
    }

    fn config(&self, target: Target, proxies: ProxyRules, rules: RelabelFile) -> GateConfig {
        GateConfig {
            target,
            outputs: outputs(rules),
            policy: match self.merge {
                Merge::Typed => MergePolicy::Typed,
                Merge::Sum => MergePolicy::Sum,
            },
            read_limits: ReadLimits {
                line_bytes_max: self.line_bytes_max,
                series_max: self.series_max,
                labels_max: self.labels_max,
            },
            body_bytes_max: self.body_bytes_max,
            scrape_timeout: self.scrape_timeout,
            subset_max_age: self.subset_max_age,
            subset_timestamps: self.subset_timestamps,
            server: ServerLimits {
                connections_max: self.connections_max,
                header_time_max: self.header_time_max,
                stall_time_max: self.stall_time_max,
                drain_time_max: self.drain_time_max,
            },
            proxies,
            ask_for: match self.upstream_encoding {
                UpstreamEncoding::Auto => AskFor::Auto,
                UpstreamEncoding::Identity => AskFor::Identity,
                UpstreamEncoding::Gzip => AskFor::Gzip,
            },
            clock: clock::system_time_ms,
            random: random_word,
        }
    }

    fn rules(&self) -> Result<RelabelFile, Vec<String>> {
        let (name, text) = match &self.relabel_file {
            Some(_) if !self.relabel.is_empty() => {
                return Err(vec!["--relabel and --relabel-file: give one of them".to_owned()]);
            }
            Some(path) => {
                let name = path.display().to_string();
                let text =
                    check::read_text(path).map_err(|e| vec![format!("--relabel-file: {e}")])?;
                (name, text)
            }
            None => ("--relabel".to_owned(), self.relabel.clone()),
        };
        parse_relabel_file(&name, &text)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    /// Where to listen; a host of `None` is every address there is.
    ///
    /// # Errors
    ///
    /// A listen address that is none, or two ports.
    pub fn bind_address(&self) -> Result<(Option<String>, u16), String> {
        let text = self.listen_address.as_str();
        let wrong = || format!("--listen-address {text:?}: use HOST:PORT, [V6]:PORT or :PORT");
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
                let port = if rest.is_empty() { None } else { rest.strip_prefix(':') };
                if !rest.is_empty() && port.is_none() {
                    return Err(wrong());
                }
                (host, port)
            }
            None => match text.rsplit_once(':') {
                Some((host, _)) if host.contains(':') => return Err(wrong()),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let host = (!host.is_empty()).then(|| host.to_owned());
        match (port, self.port) {
            (Some(_), Some(_)) => {
                Err(format!("--listen-address {text:?} and --port: give one port"))
            }
            (Some(port), None) => Ok((host, port.parse().map_err(|_| wrong())?)),
            (None, port) => Ok((host, port.unwrap_or(PORT))),
        }
    }
}

/// The outputs of a rules file: the main one, then the subsets.
fn outputs(rules: RelabelFile) -> Vec<OutputConfig> {
    let main = OutputConfig { name: String::new(), rules: rules.main };
    let subsets = rules.subsets.into_iter();
    let subsets = subsets.map(|(name, rules)| OutputConfig { name, rules });
    std::iter::once(main).chain(subsets).collect()
}

/// An upstream for a message: without what may be a password or a token.
pub(super) fn shown(upstream: &str) -> String {
    let without_query = upstream.split('?').next().unwrap_or_default();
    match without_query.rsplit_once('@') {
        Some((_, host)) => format!("{host:?} (credentials not shown)"),
        None => format!("{without_query:?}"),
    }
}

/// A word from the system's random numbers.
///
/// # Panics
///
/// Where the system has none to give, a gate could not keep its series apart.
pub fn random_word() -> u64 {
    getrandom::u64().expect("the system gives random numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(options: &Options) -> Vec<String> {
        options.load().unwrap_err()
    }

    #[test]
    fn the_defaults_load() {
        let config = Options::default().load().unwrap();
        assert_eq!(config.target.to_string(), UPSTREAM);
        assert_eq!(config.outputs.len(), 1);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let options = Options {
            upstream: "http://[::1".to_owned(),
            listen_address: "a:b:c".to_owned(),
            relabel: "metric_relabel_configs: [{action: dorp}, null]".to_owned(),
            ..Options::default()
        };
        let errors = errors(&options);
        assert_eq!(errors.len(), 4, "{errors:#?}");
        for (error, part) in errors.iter().zip(["--upstream", "--listen-address", "dorp", "null"]) {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }

    #[test]
    fn both_ways_to_give_rules_are_one_too_many() {
        let options = Options {
            relabel: "metric_relabel_configs: []".to_owned(),
            relabel_file: Some("rules.yaml".into()),
            ..Options::default()
        };
        assert_eq!(errors(&options), ["--relabel and --relabel-file: give one of them"]);
    }

    #[test]
    fn errors_do_not_show_credentials() {
        for upstream in ["http://bob:s3cret@[::1", "http://h:x/?token=s3cret"] {
            let options = Options { upstream: upstream.to_owned(), ..Options::default() };
            assert!(!errors(&options).concat().contains("s3cret"));
        }
    }

    #[track_caller]
    fn check_bind(address: &str, port: Option<u16>, expect: Option<(Option<&str>, u16)>) {
        let options = Options { listen_address: address.to_owned(), port, ..Options::default() };
        let bound = options.bind_address().ok();
        assert_eq!(
            bound.as_ref().map(|(host, port)| (host.as_deref(), *port)),
            expect,
            "{address}"
        );
    }

    #[test]
    fn listen_addresses_are_taken_apart() {
        check_bind("", None, Some((None, 8080)));
        check_bind("", Some(0), Some((None, 0)));
        check_bind(":9090", None, Some((None, 9090)));
        check_bind("127.0.0.1", Some(81), Some((Some("127.0.0.1"), 81)));
        check_bind("localhost:81", None, Some((Some("localhost"), 81)));
        check_bind("[::1]:81", None, Some((Some("::1"), 81)));
        check_bind("[::1]", None, Some((Some("::1"), 8080)));
        check_bind("localhost:81", Some(82), None);
        for wrong in ["::1", "[::1", "[::1]81", "h:", "h:x", "h:70000"] {
            check_bind(wrong, None, None);
        }
    }
}
