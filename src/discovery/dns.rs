//! Names to targets: A, AAAA and SRV records, remembered as long as they are valid, and longer
//! while nobody can tell.

use crate::discovery::Discovered;
use crate::discovery::Found;
use crate::discovery::Problem;
use crate::discovery::spec::DnsKind;
use crate::discovery::spec::DnsSource;
use crate::discovery::target::labels_of_url;
use crate::http::Url;
use crate::source::Target;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::config::ResolverOpts;
use hickory_resolver::net::DnsError;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::RecordType;
use hickory_resolver::system_conf::read_system_conf;
use std::collections::HashMap;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::timeout;

/// Time for one lookup, all search domains and repetitions included.
pub const DNS_TIME_MAX: Duration = Duration::from_secs(5);
/// How long an answer is used after it expired, while lookups fail.
pub const DNS_KEEP: Duration = Duration::from_mins(5);
/// That there is nothing is not believed for longer: the first pod of a service is to be seen soon.
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(5);
/// The hosts of SRV records are looked up so many at a time.
const LOOKUPS_MAX: usize = 16;
/// The most names whose answers are remembered.
const NAMES_MAX: usize = 10_000;

/// Which addresses of a name are used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DnsFamily {
    /// IPv4, and IPv6 where a name has no IPv4: a pod with both counts once.
    #[default]
    Auto,
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Every address is a target.
    Both,
}

impl DnsFamily {
    /// Every choice.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Ipv4, Self::Ipv6, Self::Both];

    /// The word for it on the command line and in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Both => "both",
        }
    }
}

/// How names are looked up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DnsOptions {
    /// Which addresses count.
    pub family: DnsFamily,
    /// How long an answer is used after it expired, while lookups fail.
    pub keep: Duration,
    /// Time for one lookup.
    pub time_max: Duration,
}

impl Default for DnsOptions {
    fn default() -> Self {
        Self { family: DnsFamily::default(), keep: DNS_KEEP, time_max: DNS_TIME_MAX }
    }
}

/// Looks names up, and remembers the answers.
#[derive(Debug)]
pub struct Resolver {
    /// What the system's configuration says is wrong, if it cannot be used.
    inner: Result<Inner, String>,
    options: DnsOptions,
    known: Mutex<HashMap<(String, RecordType), Known>>,
}

#[derive(Debug)]
struct Inner {
    client: TokioResolver,
    search: Vec<Name>,
    n_dots: usize,
}

/// What a record says that is of use.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Record {
    Address(IpAddr),
    Service { host: String, port: u16 },
}

/// An answer.
#[derive(Clone, Debug)]
struct Known {
    records: Vec<Record>,
    valid_until: Instant,
}

/// Why there is no answer.
struct Failed {
    reason: &'static str,
    message: String,
}

/// Records, and what to tell about them.
type Answer = (Vec<Record>, Option<Problem>);

impl Resolver {
    /// A resolver by the system's configuration, which on most is `/etc/resolv.conf`.
    ///
    /// A configuration that cannot be used fails the lookups, not this: without names to look up it
    /// does not matter.
    pub fn system(options: DnsOptions) -> Self {
        let inner = read_system_conf()
            .map_err(|e| format!("cannot read the system's DNS configuration: {e}"))
            .and_then(|(config, system)| Inner::new(config, system, options));
        Self { inner, options, known: Mutex::default() }
    }

    /// A resolver that asks other servers than the system's.
    pub fn with_config(config: ResolverConfig, system: ResolverOpts, options: DnsOptions) -> Self {
        Self { inner: Inner::new(config, system, options), options, known: Mutex::default() }
    }

    /// Find the targets of a name.
    pub(super) async fn find(
        self: &Arc<Self>,
        source: &DnsSource,
        params: &[(String, Vec<String>)],
        found: &mut Found,
    ) {
        let url = source.url.with_params(params);
        match source.kind {
            DnsKind::Address => {
                let addresses = self.addresses(url.host(), &mut found.problems).await;
                let name = url.host().to_owned();
                for address in addresses {
                    let more = vec![("__meta_dns_name".to_owned(), name.clone())];
                    found.targets.push(at(&url, SocketAddr::new(address, url.port()), more));
                }
            }
            DnsKind::Srv | DnsKind::SrvNoAddress => {
                let (records, problem) = self.records(url.host(), RecordType::SRV).await;
                found.problems.extend(problem);
                let is_direct = source.kind == DnsKind::SrvNoAddress;
                self.services(&url, records, is_direct, found).await;
            }
        }
    }

    async fn services(
        self: &Arc<Self>,
        url: &Url,
        records: Vec<Record>,
        is_direct: bool,
        found: &mut Found,
    ) {
        let mut lookups = JoinSet::new();
        for record in records {
            let Record::Service { host, port } = record else { continue };
            // As with Thanos, a port in the URL goes before that of the record.
            let port = url.explicit_port().unwrap_or(port);
            let there = match url.with_host(&host, Some(port)) {
                Ok(there) => there,
                Err(e) => {
                    found.problem(url.host(), "bad_target", format!("{host:?}: {e}"));
                    continue;
                }
            };
            let more = vec![
                ("__meta_dns_name".to_owned(), url.host().to_owned()),
                ("__meta_dns_srv_record_port".to_owned(), port.to_string()),
                ("__meta_dns_srv_record_target".to_owned(), format!("{host}.")),
            ];
            if is_direct {
                let labels = labels_of_url(&there, &there.host_port(), more);
                found.targets.push(Discovered { target: Target::Http(there), labels });
                continue;
            }
            if lookups.len() >= LOOKUPS_MAX {
                collect(lookups.join_next().await, found);
            }
            let resolver = Arc::clone(self);
            lookups.spawn(async move {
                let mut problems = Vec::new();
                // The records of a record are no names to be searched for.
                let addresses = resolver.addresses(&format!("{host}."), &mut problems).await;
                let targets = addresses.into_iter();
                let targets = targets.map(|ip| at(&there, SocketAddr::new(ip, port), more.clone()));
                (targets.collect::<Vec<_>>(), problems)
            });
        }
        while let Some(done) = lookups.join_next().await {
            collect(Some(done), found);
        }
    }

    /// The addresses of a name that count.
    async fn addresses(&self, name: &str, problems: &mut Vec<Problem>) -> Vec<IpAddr> {
        if let Ok(address) = name.parse() {
            return vec![address];
        }
        let of = |records: Vec<Record>| {
            records.into_iter().filter_map(|record| match record {
                Record::Address(address) => Some(address),
                Record::Service { .. } => None,
            })
        };
        match self.options.family {
            DnsFamily::Ipv4 | DnsFamily::Ipv6 => {
                let is_v4 = self.options.family == DnsFamily::Ipv4;
                let kind = if is_v4 { RecordType::A } else { RecordType::AAAA };
                let (records, problem) = self.records(name, kind).await;
                problems.extend(problem);
                of(records).collect()
            }
            DnsFamily::Auto => {
                let (records, problem) = self.records(name, RecordType::A).await;
                // A failure tells nothing about IPv4: to go over to IPv6 would make other targets
                // of the same pods.
                if !records.is_empty() || problem.is_some() {
                    problems.extend(problem);
                    return of(records).collect();
                }
                let (records, problem) = self.records(name, RecordType::AAAA).await;
                problems.extend(problem);
                of(records).collect()
            }
            DnsFamily::Both => {
                let (v4, v6) = tokio::join!(
                    self.records(name, RecordType::A),
                    self.records(name, RecordType::AAAA)
                );
                problems.extend(v4.1);
                problems.extend(v6.1);
                of(v4.0).chain(of(v6.0)).collect()
            }
        }
    }

    /// The records of a name: those remembered while they are valid, else what an answer says now,
    /// else the last ones for a while.
    async fn records(&self, name: &str, kind: RecordType) -> Answer {
        let key = (name.to_owned(), kind);
        let last = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = &last
            && Instant::now() < known.valid_until
        {
            return (known.records.clone(), None);
        }
        let failed = match timeout(self.options.time_max, self.ask(name, kind)).await {
            Ok(Ok((records, ttl))) => {
                self.remember(key, records.clone(), ttl);
                return (records, None);
            }
            Ok(Err(failed)) => failed,
            Err(_) => {
                let seconds = self.options.time_max.as_secs_f64();
                let message = format!("no answer within {seconds} s");
                Failed { reason: "dns_timeout", message }
            }
        };
        let kept = last.map(|known| (known.valid_until.elapsed(), known.records));
        let kept = kept.filter(|(age, _)| *age < self.options.keep);
        let Failed { reason, message } = failed;
        let message = format!("looking up {kind} of {name}: {message}");
        let source = name.to_owned();
        let problem = Problem { source, reason, message, kept: kept.as_ref().map(|(age, _)| *age) };
        (kept.map(|(_, records)| records).unwrap_or_default(), Some(problem))
    }

    fn remember(&self, key: (String, RecordType), records: Vec<Record>, ttl: Duration) {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= NAMES_MAX {
            // Hosts of SRV records come and go.
            let keep = self.options.keep;
            known.retain(|_, known| known.valid_until + keep > now);
        }
        if known.len() < NAMES_MAX || known.contains_key(&key) {
            known.insert(key, Known { records, valid_until: now + ttl });
        }
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Result<(Vec<Record>, Duration), Failed> {
        let inner =
            self.inner.as_ref().map_err(|e| Failed { reason: "dns_config", message: e.clone() })?;
        let mut failed = None;
        let mut negative_ttl = NEGATIVE_TTL_MAX;
        for candidate in inner.candidates(name)? {
            match inner.client.lookup(candidate, kind).await {
                Ok(answer) => {
                    let answers = answer.answers().iter();
                    let mut records = Vec::new();
                    let mut ttl = u32::MAX;
                    for record in answers {
                        if let Some(read) = read_record(&record.data) {
                            records.push(read);
                        }
                        ttl = ttl.min(record.ttl);
                    }
                    records.sort();
                    if !records.is_empty() {
                        return Ok((records, Duration::from_secs(ttl.into())));
                    }
                }
                Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                    if matches!(
                        none.response_code,
                        ResponseCode::NXDomain | ResponseCode::NoError
                    ) =>
                {
                    let ttl = Duration::from_secs(none.negative_ttl.unwrap_or(0).into());
                    negative_ttl = negative_ttl.min(ttl);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            None => Ok((Vec::new(), negative_ttl)),
            Some(NetError::Timeout) => {
                let message = "no server answers".to_owned();
                Err(Failed { reason: "dns_timeout", message })
            }
            Some(error) => Err(Failed { reason: "dns", message: error.to_string() }),
        }
    }
}

impl Inner {
    fn new(
        config: ResolverConfig,
        mut system: ResolverOpts,
        options: DnsOptions,
    ) -> Result<Self, String> {
        let mut search: Vec<Name> = config.domain().cloned().into_iter().collect();
        search.extend(config.search().iter().cloned());
        let n_dots = system.ndots;
        // Answers are remembered here, where it is known what to do when there is none.
        system.cache_size = 0;
        // Time for a second attempt: datagrams are lost.
        system.timeout = system.timeout.min(options.time_max / 2);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = system;
        let client = builder.build().map_err(|e| e.to_string())?;
        Ok(Self { client, search, n_dots })
    }

    /// The whole names a name may stand for, by the rules of resolv.conf(5).
    fn candidates(&self, name: &str) -> Result<Vec<Name>, Failed> {
        let bad = |e: &dyn std::fmt::Display| Failed {
            reason: "dns",
            message: format!("{name:?} is no name: {e}"),
        };
        let mut whole = Name::from_ascii(name).map_err(|e| bad(&e))?;
        if whole.is_fqdn() {
            return Ok(vec![whole]);
        }
        let n_dots = usize::from(whole.num_labels()).saturating_sub(1);
        let searched = self.search.iter();
        let mut names: Vec<_> =
            searched.filter_map(|domain| whole.clone().append_domain(domain).ok()).collect();
        let is_first = n_dots >= self.n_dots || whole.is_localhost();
        whole.set_fqdn(true);
        names.insert(if is_first { 0 } else { names.len() }, whole);
        let mut once = Vec::with_capacity(names.len());
        for mut name in names {
            name.set_fqdn(true);
            if !once.contains(&name) {
                once.push(name);
            }
        }
        Ok(once)
    }
}

fn read_record(data: &RData) -> Option<Record> {
    match data {
        RData::A(address) => Some(Record::Address(address.0.into())),
        RData::AAAA(address) => Some(Record::Address(address.0.into())),
        // The root as a host says that there is no such service (RFC 2782).
        RData::SRV(service) if service.target.is_root() => None,
        RData::SRV(service) => {
            let host = service.target.to_ascii();
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            Some(Record::Service { host, port: service.port })
        }
        _ => None,
    }
}

fn at(url: &Url, address: SocketAddr, more: Vec<(String, String)>) -> Discovered {
    let labels = labels_of_url(url, &address.to_string(), more);
    Discovered { target: Target::At(url.clone(), address), labels }
}

type Looked = Result<(Vec<Discovered>, Vec<Problem>), tokio::task::JoinError>;

fn collect(done: Option<Looked>, found: &mut Found) {
    match done {
        Some(Ok((mut targets, mut problems))) => {
            found.targets.append(&mut targets);
            found.problems.append(&mut problems);
        }
        Some(Err(error)) => found.problem("SRV", "dns", error.to_string()),
        None => {}
    }
}
