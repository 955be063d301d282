//! The exposition of an ingress-nginx controller, made from a seed: the body weir is measured on.
//!
//! Each ingress has ten paths, each path six histograms of twelve lines (nine buckets, `+Inf`,
//! `_sum`, `_count`), in the order and spelling of `client_golang`: 720 samples and about 388 bytes
//! a line. A thousand ingresses make 720,000 samples and 279 MB, which `labeldrop: path` folds ten
//! to one. The same parameters give the same bytes; the next scrape gives the same series with
//! other values, of which none falls.
//!
//! Include it with `#[path = "support/nginx.rs"] mod nginx;`.
#![allow(dead_code, reason = "each bench and test uses its own part")]
#![expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]

use std::io::{self, Write};

use weir::model::number::write_value;

/// Paths of one ingress: the label sets that become one when `path` is dropped.
pub(crate) const N_PATHS: usize = 10;
/// Histograms of one path.
pub(crate) const N_FAMILIES: usize = FAMILIES.len();
/// Lines of one histogram: ten buckets, the sum, the count.
pub(crate) const N_LINES: usize = N_BUCKETS + 2;
/// Samples of one ingress.
pub(crate) const N_PER_INGRESS: usize = N_FAMILIES * N_PATHS * N_LINES;

const N_BUCKETS: usize = 10;
const SUM_LINE: usize = N_BUCKETS;

const SECONDS: [&str; N_BUCKETS] =
    ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf"];
const BYTES: [&str; N_BUCKETS] =
    ["100", "1000", "10000", "100000", "1e+06", "2e+06", "5e+06", "1e+07", "1e+08", "+Inf"];

struct Family {
    name: &'static str,
    help: &'static str,
    bounds: [&'static str; N_BUCKETS],
}

const FAMILIES: [Family; 6] = [
    Family {
        name: "nginx_ingress_controller_connect_duration_seconds",
        help: "The time spent on establishing a connection with the upstream server",
        bounds: SECONDS,
    },
    Family {
        name: "nginx_ingress_controller_header_duration_seconds",
        help: "The time spent on receiving first header from the upstream server",
        bounds: SECONDS,
    },
    Family {
        name: "nginx_ingress_controller_request_duration_seconds",
        help: "The request processing time in seconds",
        bounds: SECONDS,
    },
    Family {
        name: "nginx_ingress_controller_request_size",
        help: "The request length (including request line, header, and request body)",
        bounds: BYTES,
    },
    Family {
        name: "nginx_ingress_controller_response_duration_seconds",
        help: "The time spent on receiving the response from the upstream server",
        bounds: SECONDS,
    },
    Family {
        name: "nginx_ingress_controller_response_size",
        help: "The response length (including request line, header, and request body)",
        bounds: BYTES,
    },
];

const TEAMS: [&str; 12] = [
    "billing",
    "catalog",
    "checkout",
    "delivery",
    "identity",
    "inventory",
    "loyalty",
    "payments",
    "pricing",
    "reviews",
    "search",
    "support",
];
const APPS: [&str; 12] = [
    "admin-api",
    "backend",
    "callbacks",
    "frontend",
    "gateway",
    "graphql",
    "internal-api",
    "mobile-api",
    "partner-api",
    "public-api",
    "webhooks",
    "worker-api",
];
const PATHS: [&str; 16] = [
    "/",
    "/actuator/health",
    "/api/v1/accounts",
    "/api/v1/orders/history",
    "/api/v1/sessions",
    "/api/v2/customers/addresses",
    "/api/v2/items",
    "/api/v2/search/suggestions",
    "/assets/images",
    "/assets/js/vendor",
    "/callbacks/provider/confirm",
    "/favicon.ico",
    "/graphql",
    "/login/oauth/authorize",
    "/metrics-proxy",
    "/socket.io/",
];

/// What one scrape of the controller would answer.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    ingresses: Vec<Ingress>,
    seed: u64,
    scrape_no: u64,
    churn: f64,
    shuffled: bool,
}

#[derive(Clone, Debug)]
struct Ingress {
    host: String,
    id: u64,
    /// `{canary=…,namespace="…",path="`: what stands before a path.
    before_path: String,
    paths: Vec<&'static str>,
    /// `",service="…",status="…"`: what stands behind it.
    after_path: String,
}

impl Body {
    /// The first scrape of a controller with `n_ingresses`.
    pub(crate) fn new(n_ingresses: usize, seed: u64) -> Self {
        let mut ingresses: Vec<Ingress> =
            (0..n_ingresses as u64).map(|id| Ingress::new(id, seed)).collect();
        // client_golang sorts by label values, and `host` is the first that differs.
        ingresses.sort_by(|a, b| a.host.cmp(&b.host));
        Self { ingresses, seed, scrape_no: 0, churn: 0.0, shuffled: false }
    }

    /// The same series as another scrape sees them, counted from 0.
    #[must_use]
    pub(crate) fn scrape_no(mut self, scrape_no: u64) -> Self {
        self.scrape_no = scrape_no;
        self
    }

    /// Replace this part of the histograms by new ones at every scrape.
    #[must_use]
    pub(crate) fn churn(mut self, fraction: f64) -> Self {
        self.churn = fraction;
        self
    }

    /// Insert `n` new ingresses in the middle, 120 `n` lines in a row in each family.
    #[must_use]
    pub(crate) fn inserted(mut self, n: usize) -> Self {
        let middle = self.ingresses.len() / 2;
        let new = (0..n as u64).map(|id| Ingress::new(1_000_000 + id, self.seed));
        self.ingresses.splice(middle..middle, new);
        self
    }

    /// Put the lines of each family into another order at every scrape.
    #[must_use]
    pub(crate) fn shuffled(mut self) -> Self {
        self.shuffled = true;
        self
    }

    /// How many samples it has.
    pub(crate) fn n_series(&self) -> usize {
        self.ingresses.len() * N_PER_INGRESS
    }

    /// How many samples are left when `path` is dropped.
    pub(crate) fn n_series_folded(&self) -> usize {
        self.n_series() / N_PATHS
    }

    /// The sum of all `_count` samples.
    pub(crate) fn total_count(&self) -> u64 {
        let mut total = 0;
        for family in 0..N_FAMILIES {
            for ingress in &self.ingresses {
                for path in 0..N_PATHS {
                    total += self.histogram(family, ingress, path).n_observed;
                }
            }
        }
        total
    }

    /// The whole text in memory.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.n_series() * 392 + 4096);
        self.write_to(&mut out).expect("memory takes every write");
        out
    }

    /// Write the whole text.
    pub(crate) fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut text = Vec::with_capacity(80 << 10);
        for (at, family) in FAMILIES.iter().enumerate() {
            writeln!(out, "# HELP {} {}", family.name, family.help)?;
            writeln!(out, "# TYPE {} histogram", family.name)?;
            let order = self.shuffled.then(|| self.order(at));
            for line in 0..self.ingresses.len() * N_PATHS * N_LINES {
                let line = order.as_ref().map_or(line, |order| order[line]);
                self.line(&mut text, at, line);
                if text.len() >= 64 << 10 {
                    out.write_all(&text)?;
                    text.clear();
                }
            }
            out.write_all(&text)?;
            text.clear();
        }
        Ok(())
    }

    /// Append one line of a family; lines are counted by ingress, then path, then line.
    fn line(&self, text: &mut Vec<u8>, at: usize, line: usize) {
        let ingress = &self.ingresses[line / (N_PATHS * N_LINES)];
        let (path, line) = (line / N_LINES % N_PATHS, line % N_LINES);
        let histogram = self.histogram(at, ingress, path);
        let family = &FAMILIES[at];
        text.extend_from_slice(family.name.as_bytes());
        text.extend_from_slice(match line {
            ..N_BUCKETS => b"_bucket",
            SUM_LINE => b"_sum",
            _ => b"_count",
        });
        text.extend_from_slice(ingress.before_path.as_bytes());
        text.extend_from_slice(ingress.paths[path].as_bytes());
        if histogram.churned {
            text.extend_from_slice(format!("release-{}", self.scrape_no).as_bytes());
        }
        text.extend_from_slice(ingress.after_path.as_bytes());
        if let Some(bound) = family.bounds.get(line) {
            text.extend_from_slice(b",le=\"");
            text.extend_from_slice(bound.as_bytes());
            text.push(b'"');
        }
        text.extend_from_slice(b"} ");
        write_value(text, histogram.value(line));
        text.push(b'\n');
    }

    fn histogram(&self, family: usize, ingress: &Ingress, path: usize) -> Histogram {
        let key = (ingress.id * N_PATHS as u64 + path as u64) * N_FAMILIES as u64 + family as u64;
        let noise = mix(self.seed, key);
        // Three in four histograms move from one scrape to the next, as idle paths do not.
        let growth = if noise.trailing_zeros() >= 2 { 0 } else { noise >> 8 & 15 };
        let base = (noise >> 16 & 0xfff) + 300;
        let part = (noise >> 44) as f64 / f64::from(1 << 20);
        Histogram {
            n_observed: base + growth * (self.scrape_no + 1),
            in_seconds: FAMILIES[family].name.ends_with("_seconds"),
            noise,
            churned: part < self.churn,
        }
    }

    fn order(&self, family: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.ingresses.len() * N_PATHS * N_LINES).collect();
        let seed = mix(self.seed ^ self.scrape_no, family as u64);
        for at in (1..order.len()).rev() {
            order.swap(at, below(mix(seed, at as u64), at + 1));
        }
        order
    }
}

impl Ingress {
    fn new(id: u64, seed: u64) -> Self {
        let noise = mix(seed ^ 0x1276, id);
        let pick = |words: &[&'static str], bits: u32| words[below(noise << bits, words.len())];
        let (team, app) = (pick(&TEAMS, 0), pick(&APPS, 16));
        let method = pick(&["GET", "GET", "POST"], 32);
        let host = format!("{app}-{id:04}.{team}.eu.example.com");
        let before_path = format!(
            "{{canary=\"\",controller_class=\"k8s.io/ingress-nginx\",\
             controller_namespace=\"ingress-nginx\",\
             controller_pod=\"ingress-nginx-controller-6d5f55986b-7xk2p\",host=\"{host}\",\
             ingress=\"{team}-{app}-{id:04}\",method=\"{method}\",namespace=\"{team}\",path=\""
        );
        let after_path = format!("\",service=\"{app}-{id:04}\",status=\"200\"");
        let first = below(noise << 48, PATHS.len());
        let mut paths: Vec<_> = PATHS.iter().cycle().skip(first).take(N_PATHS).copied().collect();
        paths.sort_unstable();
        Self { host, id, before_path, paths, after_path }
    }
}

struct Histogram {
    n_observed: u64,
    in_seconds: bool,
    noise: u64,
    churned: bool,
}

impl Histogram {
    fn value(&self, line: usize) -> f64 {
        match line {
            ..N_BUCKETS => (self.n_observed * self.reached(line) / 64) as f64,
            SUM_LINE if self.in_seconds => {
                (self.n_observed * (self.noise >> 24 & 0xff)) as f64 / 1000.0
            }
            SUM_LINE => (self.n_observed * (self.noise >> 24 & 0x7ff)) as f64,
            _ => self.n_observed as f64,
        }
    }

    /// How many of 64 observations lie at or below a bound: more at each, all at the last.
    fn reached(&self, bucket: usize) -> u64 {
        let spread = 4 + (self.noise >> 4 & 3);
        (bucket as u64 * spread + (self.noise >> 36 & 7)).min(64).max(if bucket + 1 == N_BUCKETS {
            64
        } else {
            0
        })
    }
}

/// A number in `0..n` from the upper half of `noise`.
fn below(noise: u64, n: usize) -> usize {
    usize::try_from(((noise >> 32) * n as u64) >> 32).expect("the result is below n")
}

/// splitmix64 of a seed and a key.
fn mix(seed: u64, key: u64) -> u64 {
    let mut z =
        (seed ^ key.wrapping_mul(0xd134_2543_de82_ef95)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
