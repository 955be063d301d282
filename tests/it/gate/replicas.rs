//! Ten replicas in a real Prometheus, one by one and through weir as one: what `rate()` says of them.
//!
//! Half of the replicas restart now and then, one answers slowly, one dies in the middle. A third job
//! sums what there is at each scrape, which is what the result must not look like. At the end weir
//! is killed and started again.
//!
//! It runs for two minutes, since rates are over one; `WEIR_REPLICAS_TIMES=5` makes it five times as long.
use crate::generate_edges::Generator;
use crate::servers::Prometheus;
use crate::servers::Server;
use crate::servers::eventually;
use crate::servers::find_or_skip;

const N_REPLICAS: usize = 10;
/// What half of the replicas take between restarts, so that they do not restart together.
const RESTARTS: [&str; 5] = ["53s", "67s", "79s", "97s", "113s"];
/// The one that needs a third of a scrape interval for an answer.
const SLOW: usize = 3;
/// The one that dies.
const MORTAL: usize = 8;
/// Scrapes before the death, after it, and after weir was killed; one a second.
const N_SCRAPES: [usize; 3] = [75, 30, 20];
/// The window of rates, seconds.
const WINDOW: usize = 60;
/// By how much rates may differ: what two scrapers that ask at different instants see of restarts.
const TOLERANCE: f64 = 0.01;

fn config(replica: usize) -> String {
    let resets = match RESTARTS.get(replica) {
        Some(every) => format!("resets: [{{every: {every}}}]"),
        None => "resets: []".to_owned(),
    };
    format!(
        "seed: {replica}\nconstant_labels: {{pod: web-{replica}}}\nfamilies:\n\
         - {{name: x_total, type: counter, rate: 50, labels: {{code: ['200', '500']}}, {resets}}}\n\
         - {{name: took_seconds, type: histogram, rate: 40, distribution: {{exponential: {{mean: 0.5}}}}, buckets: [0.5, 1], {resets}}}\n"
    )
}

/// The replicas, the gates in front of them, and a Prometheus that scrapes all of them.
struct Scene {
    replicas: Vec<Option<Generator>>,
    flags: Vec<String>,
    weir: Server,
    _raw: Server,
    prometheus: Prometheus,
}

impl Scene {
    fn start(program: std::path::PathBuf) -> Self {
        let replicas: Vec<_> =
            (0..N_REPLICAS).map(|i| Some(Generator::start(&config(i), &[]))).collect();
        let addresses: Vec<_> =
            replicas.iter().flatten().map(|replica| replica.as_server().address.clone()).collect();
        let path = |i| if i == SLOW { "/metrics?latency=300ms" } else { "/metrics" };
        let urls: Vec<_> =
            addresses.iter().enumerate().map(|(i, a)| format!("http://{a}{}", path(i))).collect();
        let mut flags = vec!["--relabel".to_owned(), DROP_POD.to_owned()];
        flags.extend(urls.iter().flat_map(|url| ["--upstream".to_owned(), url.clone()]));
        let weir = gate("127.0.0.1:0", &flags, &[]);
        let raw = gate("127.0.0.1:0", &flags, &["--counters", "raw"]);
        let job = |name: &str, targets: &[String], more: &str| {
            let targets = targets.join("', '");
            format!("- job_name: {name}\n  static_configs: [{{targets: ['{targets}']}}]\n{more}")
        };
        let (fast, slow): (Vec<_>, Vec<_>) =
            addresses.iter().enumerate().partition(|(i, _)| *i != SLOW);
        let names = |list: &[(usize, &String)]| -> Vec<String> {
            list.iter().map(|(_, address)| (*address).clone()).collect()
        };
        let config = [
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n".to_owned(),
            job("direct", &names(&fast), ""),
            job("direct_slow", &names(&slow), "  params: {latency: [300ms]}\n"),
            job("weir", std::slice::from_ref(&weir.address), ""),
            job("raw", std::slice::from_ref(&raw.address), ""),
        ];
        let prometheus = Prometheus::configured(program, &config.concat());
        Self { replicas, flags, weir, _raw: raw, prometheus }
    }

    /// Wait until weir's job has so many scrapes more.
    fn watch(&self, n_scrapes: usize) {
        let n = || self.prometheus.value("count_over_time(up{job=\"weir\"}[1h])", None);
        let mut seen = eventually("weir is scraped", n);
        // The patience for one condition is less than the whole takes.
        for _ in 0..n_scrapes {
            seen = eventually("weir is scraped again", || n().filter(|n| *n >= seen + 1.0));
        }
    }

    /// The rates of the last seconds, a step a second: direct, through weir, as raw sums.
    fn rates(&self, name: &str, n_steps: usize) -> Vec<[f64; 3]> {
        let rate = |job: &str| {
            let query = format!("sum(rate({name}{{job=~\"{job}\"}}[{WINDOW}s]))");
            self.prometheus.values(&query, n_steps)
        };
        let (direct, weir, raw) = (rate("direct.*"), rate("weir"), rate("raw"));
        assert_eq!([weir.len(), raw.len()], [direct.len(); 2], "{name}: steps are missing");
        let rates = direct.into_iter().zip(weir).zip(raw);
        rates.map(|((direct, weir), raw)| [direct, weir, raw]).collect()
    }
}

const DROP_POD: &str = "metric_relabel_configs: [{action: labeldrop, regex: pod}]";

fn gate(address: &str, flags: &[String], more: &[&str]) -> Server {
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Server::gate(address, &flags)
}

/// By how much two rates differ, of the first.
fn difference(direct: f64, other: f64) -> f64 {
    (other - direct).abs() / direct
}

#[test]
fn rates_through_weir_are_those_of_the_replicas() {
    let Some(program) = find_or_skip("prometheus") else { return };
    let times = std::env::var_os("WEIR_REPLICAS_TIMES");
    let times = times.map_or(1, |times| times.to_str().unwrap().parse().unwrap());
    let [before, after, again] = N_SCRAPES.map(|n| n * times);

    let mut scene = Scene::start(program);
    scene.watch(before);
    scene.replicas[MORTAL] = None;
    scene.watch(after);
    let mut worst_raw = 0.0_f64;
    for name in ["x_total", "took_seconds_count", "took_seconds_bucket"] {
        println!("{name:>20} {:>10} {:>10} {:>10}", "direct", "weir", "raw");
        for [direct, weir, raw] in scene.rates(name, before + after - WINDOW - 5) {
            println!("{:>20} {direct:>10.2} {weir:>10.2} {raw:>10.2}", "");
            let off = difference(direct, weir);
            assert!(off <= TOLERANCE, "{name}: {direct} directly, {weir} through weir");
            worst_raw = worst_raw.max(difference(direct, raw));
        }
    }
    // A replica that dies takes its count from a plain sum, which looks like a restart of them all.
    assert!(worst_raw > 1.0, "plain sums are off by {worst_raw} at most");

    let address = scene.weir.address.clone();
    scene.weir.kill();
    scene.weir = gate(&address, &scene.flags, &[]);
    scene.watch(again);
    let resets = scene.prometheus.value("resets(x_total{job=\"weir\",code=\"200\"}[1h])", None);
    assert_eq!(resets, Some(1.0), "a restart of weir is one reset");
    println!("{:>20} {:>10} {:>10}", "after a kill", "direct", "weir");
    for [direct, weir, _] in scene.rates("x_total", again - 5) {
        println!("{:>20} {direct:>10.2} {weir:>10.2}", "");
        // It has not seen what was counted while it was away: less, but never more.
        assert!((0.9..=1.0 + TOLERANCE).contains(&(weir / direct)), "{direct} directly, {weir}");
    }
}
