//! What the command line says, in plain types, and how flags or a configuration file become one
//! [`Config`].
//!
//! Options are as typed and may contradict each other; [`Options::config`] checks them all, reads
//! the files, and tells everything that is wrong.

use crate::app::check;
use crate::app::gate::GateConfig;
use crate::config::Finding;
use crate::config::RelabelFile;
use crate::config::file;
use crate::config::file::Config;
use crate::config::file::aggregate::Counters;
use crate::config::file::limits::Limits;
use crate::config::file::listen::ListenAddress;
use crate::config::file::upstream::Upstream;
use crate::config::parse_relabel_file;
use crate::discovery::DnsOptions;
use crate::discovery::Source;
use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub use crate::config::file::Merge;
pub use crate::config::file::Partial;
pub use crate::config::file::SUBSET_MAX_AGE;
pub use crate::config::file::UpstreamEncoding;
pub use crate::config::file::limits::CONCURRENT_SCRAPES_MAX;
pub use crate::config::file::limits::CONNECTIONS_MAX;
pub use crate::config::file::limits::LABELS_MAX;
pub use crate::config::file::limits::SERIES_MAX;
pub use crate::http::proxy::ProxySettings;

/// metric-gate's default: the controller of ingress-nginx in the same pod.
pub const UPSTREAM: &str = "http://localhost:10254/metrics";

/// What the command line says about the gate.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Options {
    /// A configuration file. With it only where to listen, and for whom, counts besides.
    pub config_file: Option<PathBuf>,
    /// A web configuration file.
    pub web_config_file: Option<PathBuf>,
    /// Whether probes are answered whatever that file says.
    pub open_probes: bool,
    /// What to scrape, one upstream each.
    pub upstreams: Vec<String>,
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
    /// How counters of several targets are merged, if not as is best for their number.
    pub counters: Option<Counters>,
    /// What a scrape is worth when some targets failed.
    pub partial: Partial,
    /// Whether the output tells of each target whether it is up, and more.
    pub target_metrics: bool,
    /// How old a subset may be.
    pub subset_max_age: Duration,
    /// Whether samples of subsets carry the time of their scrape.
    pub subset_timestamps: bool,
    /// Which encodings to ask the target for.
    pub upstream_encoding: UpstreamEncoding,
    /// How names with many addresses are looked up.
    pub dns: DnsOptions,
    /// Whether `POST /-/reload` is answered.
    pub enable_reload: bool,
    /// Bounds.
    pub limits: Limits,
    /// Proxies, from the environment.
    pub proxies: ProxySettings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config_file: None,
            web_config_file: None,
            open_probes: false,
            upstreams: vec![UPSTREAM.to_owned()],
            relabel: String::new(),
            relabel_file: None,
            scrape_timeout: None,
            listen_address: String::new(),
            port: None,
            merge: Merge::default(),
            counters: None,
            partial: Partial::default(),
            target_metrics: false,
            subset_max_age: SUBSET_MAX_AGE,
            subset_timestamps: true,
            upstream_encoding: UpstreamEncoding::default(),
            dns: DnsOptions::default(),
            enable_reload: false,
            limits: Limits::default(),
            proxies: ProxySettings::default(),
        }
    }
}

impl Options {
    /// Check everything, read the files, and make one configuration of it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, a line each.
    pub fn config(&self) -> Result<Config, Vec<String>> {
        match &self.config_file {
            Some(path) => self.file_config(path),
            None => self.flag_config(),
        }
    }

    /// As [`Options::config`], and whether the gate can do it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, a line each.
    pub fn load(&self) -> Result<GateConfig, Vec<String>> {
        GateConfig::new(&self.config()?, &self.proxies)
    }

    fn file_config(&self, path: &Path) -> Result<Config, Vec<String>> {
        let name = path.display().to_string();
        let text = check::read_text(path).map_err(|e| vec![format!("--config: {e}")])?;
        let parsed = file::parse(&name, &text, directory_of(path));
        let mut config =
            parsed.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        config.enable_reload |= self.enable_reload;
        config.open_probes |= self.open_probes;
        if let Some(path) = &self.web_config_file {
            config.web_config_file = Some(path.clone());
        }
        if !self.listen_address.is_empty() {
            config.listen = self.listen()?;
        } else if let Some(port) = self.port {
            config.listen.port = port;
        }
        Ok(config)
    }

    fn flag_config(&self) -> Result<Config, Vec<String>> {
        let mut errors = Vec::new();
        let upstreams = self.upstreams().map_err(|lines| errors.extend(lines));
        let listen = self.listen().map_err(|lines| errors.extend(lines));
        let rules = self.rules().map_err(|lines| errors.extend(lines));
        let (Ok(upstreams), Ok(listen), Ok(rules)) = (upstreams, listen, rules) else {
            return Err(errors);
        };
        Ok(Config {
            listen,
            scrape_timeout: self.scrape_timeout,
            web_config_file: self.web_config_file.clone(),
            open_probes: self.open_probes,
            upstreams,
            main: rules.main,
            subsets: rules.subsets,
            merge: self.merge,
            counters: self.counters,
            partial: self.partial,
            target_metrics: self.target_metrics,
            subset_max_age: self.subset_max_age,
            subset_timestamps: self.subset_timestamps,
            upstream_encoding: self.upstream_encoding,
            dns: self.dns,
            limits: self.limits.clone(),
            enable_reload: self.enable_reload,
            warnings: rules.warnings,
            ..Config::default()
        })
    }

    /// The upstreams, or each that is none. Nothing beside something, such as a last empty line, is
    /// nobody's upstream.
    fn upstreams(&self) -> Result<Vec<Upstream>, Vec<String>> {
        let (mut upstreams, mut errors) = (Vec::new(), Vec::new());
        let has_some = self.upstreams.iter().any(|text| !text.is_empty());
        for text in self.upstreams.iter().filter(|text| !has_some || !text.is_empty()) {
            match Source::parse(text) {
                Ok(source) => upstreams.push(Upstream::new(source)),
                Err(e) => errors.push(format!("--upstream {}: {e}", shown(text))),
            }
        }
        if errors.is_empty() { Ok(upstreams) } else { Err(errors) }
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

    fn listen(&self) -> Result<ListenAddress, Vec<String>> {
        let text = self.listen_address.as_str();
        ListenAddress::parse(text, self.port)
            .map_err(|wrong| vec![format!("--listen-address {text:?} (and --port): {wrong}")])
    }
}

/// Log what is allowed but probably not meant.
pub fn warn(warnings: &[Finding]) {
    for warning in warnings {
        let warning = warning.to_string();
        tracing::warn!(warning, "The configuration is allowed but probably not meant.");
    }
}

/// What names of files in a configuration file are relative to.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// An upstream for a message: without what may be a password or a token.
pub(super) fn shown(upstream: &str) -> String {
    let without_query = upstream.split('?').next().unwrap_or_default();
    match without_query.rsplit_once('@') {
        Some((_, host)) => format!("{host:?} (credentials not shown)"),
        None => format!("{without_query:?}"),
    }
}

/// A word nobody can foresee: the next number, enciphered with a key from the system.
///
/// Asking the system for each word takes a hundred times as long, and a push wants dozens.
///
/// # Panics
///
/// Where the system has no random numbers to give, a gate could not keep its series apart.
pub fn random_word() -> u64 {
    static KEY: OnceLock<[u64; 2]> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let word = || getrandom::u64().expect("the system gives random numbers");
    let [first, second] = *KEY.get_or_init(|| [word(), word()]);
    let mut cipher = SipHasher24::new_with_keys(first, second);
    cipher.write_u64(NEXT.fetch_add(1, Ordering::Relaxed));
    cipher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_comes_twice() {
        let words: std::collections::BTreeSet<u64> = (0..10_000).map(|_| random_word()).collect();
        assert_eq!(words.len(), 10_000);
    }

    fn errors(options: &Options) -> Vec<String> {
        options.load().unwrap_err()
    }

    #[test]
    fn the_defaults_load() {
        let config = Options::default().load().unwrap();
        assert_eq!(config.upstreams[0].targets.sources[0].to_string(), UPSTREAM);
        assert_eq!(config.server.connections_max, CONNECTIONS_MAX);
        assert_eq!(config.outputs.len(), 1);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let options = Options {
            upstreams: ["http://[::1", "h", "file:"].map(str::to_owned).to_vec(),
            listen_address: "a:b:c".to_owned(),
            relabel: "metric_relabel_configs: [{action: dorp}, null]".to_owned(),
            ..Options::default()
        };
        let errors = errors(&options);
        assert_eq!(errors.len(), 5, "{errors:#?}");
        let parts = ["[::1", "--upstream \"file:\"", "--listen-address", "dorp", "null"];
        for (error, part) in errors.iter().zip(parts) {
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
            let options = Options { upstreams: vec![upstream.to_owned()], ..Options::default() };
            assert!(!errors(&options).concat().contains("s3cret"));
        }
    }

    fn with_file(text: &str, options: Options) -> Result<GateConfig, Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.yaml");
        std::fs::write(&path, text).unwrap();
        Options { config_file: Some(path), ..options }.load()
    }

    #[test]
    fn flags_and_file_make_the_same() {
        let from_flags = Options {
            upstreams: ["http://u:p@h:1/m", "dns+http://a:1/m", ""].map(str::to_owned).to_vec(),
            relabel: "metric_relabel_configs: [{action: labeldrop, regex: a}]\nsub: []".to_owned(),
            scrape_timeout: Some(Duration::from_secs(3)),
            listen_address: "127.0.0.1:81".to_owned(),
            merge: Merge::Sum,
            counters: Some(Counters::Raw),
            partial: Partial::Fail,
            target_metrics: true,
            subset_timestamps: false,
            limits: Limits {
                series_max: 7,
                body_bytes_max: 1 << 20,
                concurrent_scrapes_max: 9,
                ..Limits::default()
            },
            ..Options::default()
        };
        let text = "upstreams: [{url: 'http://u:p@h:1/m'}, {url: 'dns+http://a:1/m'}]
metric_relabel_configs: [{action: labeldrop, regex: a}]
subsets: {sub: {metric_relabel_configs: []}}
scrape_timeout: 3s
listen_address: 127.0.0.1:81
merge: sum
counters: raw
partial: fail
target_metrics: true
max_concurrent_scrapes: 9
subset_timestamps: false
max_series: 7
max_body_bytes: 1MB
";
        let from_file = file::parse("weir.yaml", text, Path::new("")).unwrap();
        assert_eq!(from_flags.config().unwrap(), from_file);
    }

    #[test]
    fn the_address_to_listen_on_may_be_given_beside_a_file() {
        let text = "upstreams: [{url: h}]\nlisten_address: 127.0.0.1:81";
        let listen = |options| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("weir.yaml");
            std::fs::write(&path, text).unwrap();
            let config = Options { config_file: Some(path), ..options }.config().unwrap();
            (config.listen.host.unwrap(), config.listen.port)
        };
        assert_eq!(listen(Options::default()), ("127.0.0.1".to_owned(), 81));
        let port = Options { port: Some(82), ..Options::default() };
        assert_eq!(listen(port), ("127.0.0.1".to_owned(), 82));
        let address = Options { listen_address: "[::1]:83".to_owned(), ..Options::default() };
        assert_eq!(listen(address), ("::1".to_owned(), 83));
    }

    #[test]
    fn a_gate_without_upstreams_is_refused() {
        let errors = with_file("{}", Options::default()).unwrap_err();
        assert!(errors.concat().contains("nothing to do"), "{errors:?}");
    }

    #[test]
    fn counters_of_several_targets_are_reset_safe_unless_somebody_says() {
        use crate::aggregate::merge::Counters;
        for (text, expect) in [
            ("upstreams: [{url: a}]", Counters::Raw),
            ("upstreams: [{url: 'file:x'}]", Counters::Raw),
            ("upstreams: [{url: a}, {url: b}]", Counters::ResetSafe),
            ("upstreams: [{url: 'dns+http://a:1'}]", Counters::ResetSafe),
            ("upstreams: [{file_sd_configs: [{files: [a.json]}]}]", Counters::ResetSafe),
            ("upstreams: [{url: 'dns+http://a:1'}]\ncounters: raw", Counters::Raw),
            ("upstreams: [{url: a}]\ncounters: reset-safe", Counters::ResetSafe),
        ] {
            let config = with_file(text, Options::default()).unwrap();
            assert_eq!(config.merging.counters, expect, "{text}");
        }
    }
}
