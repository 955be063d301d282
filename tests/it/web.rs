//! Serving safely: web configurations as promtool judges them, and curl against a weir that is
//! guarded by one.

use crate::cli::Process;
use crate::receive::support::compress;
use crate::receive::support::content_type;
use crate::remote_write::receiver::Receiver;
use crate::servers::find_or_skip;
use crate::support::FakeTarget;
use crate::wire::OwnedMessage;
use crate::wire::OwnedSeries;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::KeyPair;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;
use weir::wire::Sample;
use weir::wire::Version;

const WEIR: &str = env!("CARGO_BIN_EXE_weir");
const CONFIGS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/web/configs.txt"));
/// The password of the tests, and its hash at the least cost.
const PASSWORD: &str = "s3cret";

/// A folder with an authority, a server's certificate, and clients' of both kinds.
struct Files {
    dir: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let files = Self { dir: tempfile::tempdir().unwrap(), authority };
        files.write("ca.pem", &files.authority.pem());
        files.certify("server", &["localhost", "127.0.0.1"]);
        files.certify("client", &["prometheus.internal", "10.0.0.1"]);
        files.certify("other", &["somebody.else"]);
        std::fs::create_dir(files.path("sub")).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Write a certificate of the authority for these names, and its key.
    fn certify(&self, name: &str, names: &[&str]) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        self.write(&format!("{name}.crt"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    /// Write a web configuration, in which lines `@FILE` stand for texts of files.
    fn web(&self, text: &str) -> PathBuf {
        let mut out = String::new();
        for line in text.lines() {
            match line.split_once('@') {
                Some((indent, name)) if indent.trim().is_empty() => {
                    let text = std::fs::read_to_string(self.path(name)).unwrap();
                    out.extend(text.lines().map(|line| format!("{indent}{line}\n")));
                }
                _ => out.extend([line, "\n"]),
            }
        }
        self.write("web.yml", &out);
        self.path("web.yml")
    }
}

/// Each configuration of the vectors: name, what promtool and weir make of it, text.
fn configs() -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
    let blocks = CONFIGS.split("\n=== ").skip(1).collect::<Vec<_>>();
    let configs = blocks.chunks(3).map(|block| {
        let promtool = block[1].trim().strip_prefix("promtool: ").unwrap();
        let (weir, text) = block[2].split_once('\n').unwrap_or((block[2], ""));
        (block[0], promtool, weir.strip_prefix("weir: ").unwrap(), text)
    });
    configs.collect()
}

#[test]
fn web_configurations_are_taken_and_refused_as_they_should_be() {
    let files = Files::new();
    let mut wrong = Vec::new();
    for (name, _, expected, text) in configs() {
        let path = files.web(text);
        let output = Command::new(WEIR).arg("check").arg(&path).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let (word, part) = expected.split_once(": ").unwrap_or((expected, ""));
        let code = match word.trim_end_matches(':') {
            "ok" => 0,
            "warns" => 3,
            "refuses" => 2,
            other => panic!("{other}"),
        };
        // The file may be known for what it is by nothing but its name.
        if output.status.code() != Some(code) || !said.contains(part) {
            wrong.push(format!("{name}: {:?} {said}", output.status.code()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(configs().len() > 60);
}

#[test]
fn promtool_takes_and_refuses_the_same() {
    let Some(promtool) = find_or_skip("promtool") else { return };
    let files = Files::new();
    let mut wrong = Vec::new();
    for (name, expected, _, text) in configs() {
        let path = files.web(text);
        let checked = Command::new(&promtool).args(["check", "web-config"]).arg(&path).output();
        let output = checked.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // An older promtool does not know newer fields.
        let is_older = said.contains("field rate_limit not found");
        let is_good = output.status.success();
        if is_good != (expected == "ok") && !is_older {
            wrong.push(format!("{name}: {is_good} {said}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The example of the README is right, to promtool too.
#[test]
fn the_example_of_the_readme_is_right() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, rest) = readme.split_once("```yaml web\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let files = Files::new();
    let path = files.web(text);
    let output = Command::new(WEIR).arg("check").arg(&path).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with(": ok, TLS, 1 user\n"), "{said} {:?}", output.stderr);
    let Some(promtool) = find_or_skip("promtool") else { return };
    let output = Command::new(promtool).args(["check", "web-config"]).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // An older promtool does not know newer fields.
    assert!(output.status.success() || said.contains("field rate_limit not found"), "{said}");
}

/// A weir behind a web configuration, and its target.
struct Guarded {
    process: Process,
    files: Files,
    curl: PathBuf,
    _target: FakeTarget,
}

impl Guarded {
    /// `None` where there is no curl.
    fn start(web: &str, flags: &[&str]) -> Option<Self> {
        let target = FakeTarget::text("a 1\n");
        let url = target.url();
        let more = move |command: &mut Command, _: &Files| {
            command.args(["--upstream", &url]).args(flags);
        };
        Self::start_with(web, target, more)
    }

    /// `more` says what weir does, beside listening.
    fn start_with(
        web: &str,
        target: FakeTarget,
        more: impl FnOnce(&mut Command, &Files),
    ) -> Option<Self> {
        let curl = find_or_skip("curl")?;
        let files = Files::new();
        let mut command = Command::new(WEIR);
        command.args(["-p0", "--web.config.file"]).arg(files.web(web));
        more(&mut command, &files);
        let process = Process::start(&mut command);
        Some(Self { process, files, curl, _target: target })
    }

    /// What curl gets: its exit code, the status, and head and body.
    #[track_caller]
    fn curl(&self, url: &str, args: &[&str]) -> (i32, u16, String) {
        let port = self.process.address.port();
        let url = url.replace("HOST", &format!("localhost:{port}"));
        let output = Command::new(&self.curl)
            .current_dir(self.files.dir.path())
            .args(["-q", "-sS", "-i", "--noproxy", "*", "-m", "30", "-w", "\n%{http_code}"])
            .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
            .args(args)
            .arg(url)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (text, status) = said.rsplit_once('\n').unwrap();
        (output.status.code().unwrap(), status.parse().unwrap(), text.to_owned())
    }

    fn status(&self, url: &str, args: &[&str]) -> u16 {
        self.curl(url, args).1
    }

    /// One of weir's own metrics.
    #[track_caller]
    fn metric(&self, scheme: &str, args: &[&str], series: &str) -> u64 {
        let (_, status, text) = self.curl(&format!("{scheme}://HOST/-/metrics"), args);
        assert_eq!(status, 200, "{text}");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{series} is not in {text}")).parse().unwrap()
    }

    /// Write another web configuration, and wait until weir has read it.
    fn rewrite(&mut self, web: &str, log: &str) {
        self.files.web(web);
        self.process.signal("HUP");
        self.process.wait_for_log(log);
    }
}

fn users(password: &str) -> String {
    format!("basic_auth_users: {{bob: {}}}\n", bcrypt::hash(password, 4).unwrap())
}

#[test]
fn who_has_no_password_gets_nothing() {
    let headers = "http_server_config: {headers: {X-Frame-Options: deny}}\n";
    let Some(weir) = Guarded::start(&(users(PASSWORD) + headers), &[]) else { return };
    for path in ["/metrics", "/", "/-/metrics", "/-/healthy", "/-/ready", "/nothing", "/-/reload"] {
        let (_, status, text) = weir.curl(&format!("http://HOST{path}"), &[]);
        assert_eq!(status, 401, "{path}");
        assert!(text.contains("www-authenticate: Basic"), "{text}");
        assert!(text.contains("x-frame-options: deny"), "{text}");
    }
    assert_eq!(weir.status("http://HOST/metrics", &["-X", "POST"]), 401);
    assert_eq!(weir.status("http://HOST/metrics", &["-u", "bob:wrong"]), 401);
    assert_eq!(weir.status("http://HOST/metrics", &["-u", "alice:s3cret"]), 401);
    assert_eq!(weir.status("http://HOST/metrics", &["-H", "Authorization: Bearer x"]), 401);
    let right = ["-u", "bob:s3cret"];
    let (_, status, text) = weir.curl("http://HOST/metrics", &right);
    assert_eq!((status, text.ends_with("\r\n\r\na 1\n")), (200, true), "{text}");
    let metric = |series: &str| weir.metric("http", &right, series);
    assert_eq!(metric("weir_http_auth_failures_total{reason=\"no_credentials\"}"), 9);
    assert_eq!(metric("weir_http_auth_failures_total{reason=\"bad_credentials\"}"), 2);
    assert_eq!(metric("weir_http_requests_total{code=\"401\",endpoint=\"/-/healthy\"}"), 1);
}

#[test]
fn probes_may_stay_open() {
    let rate = "rate_limit: {interval: 1h, burst: 3}\n";
    let Some(weir) = Guarded::start(&(users(PASSWORD) + rate), &["--open-probes"]) else { return };
    for path in ["/-/healthy", "/-/ready", "/livez", "/readyz", "/healthz"] {
        assert_eq!(weir.status(&format!("http://HOST{path}"), &[]), 200, "{path}");
    }
    assert_eq!(weir.status("http://HOST/metrics", &[]), 401);
    assert_eq!(weir.status("http://HOST/metrics", &["-u", "bob:s3cret"]), 200);
    let refused = "weir_limit_refusals_total{limit=\"request_rate\"}";
    assert_eq!(weir.metric("http", &["-u", "bob:s3cret"], refused), 0);
    assert_eq!(weir.status("http://HOST/metrics", &["-u", "bob:s3cret"]), 429);
}

/// Remote write that is pushed passes the same guard as everything else.
#[test]
fn what_is_pushed_is_guarded_too() {
    let receiver = Receiver::accepting();
    let url = receiver.url();
    let receive = |command: &mut Command, files: &Files| {
        let data = files.path("data").display().to_string();
        files.write(
            "weir.yaml",
            &format!(
                "data_dir: {data}\nreceive: {{remote_write: {{}}}}\nremote_write:\n\
                 - {{url: '{url}', queue_config: {{batch_send_deadline: 20ms}}}}\n"
            ),
        );
        command.arg("--config").arg(files.path("weir.yaml"));
    };
    let headers = "http_server_config: {headers: {X-Frame-Options: deny}}\n";
    let web = TLS.to_owned() + &users(PASSWORD) + headers;
    let Some(weir) = Guarded::start_with(&web, FakeTarget::text(""), receive) else { return };
    let push = |user: &str, value: f64| {
        let labels = vec![(b"__name__".to_vec(), b"a".to_vec())];
        let samples = vec![Sample { value, timestamp_ms: 5, start_timestamp_ms: 0 }];
        let series = vec![OwnedSeries { labels, samples, ..OwnedSeries::default() }];
        let message = OwnedMessage { series, metadata: Vec::new() };
        let body = compress(&message.encode(Version::V2));
        std::fs::write(weir.files.path("body"), body).unwrap();
        let content = format!("Content-Type: {}", content_type(Version::V2));
        let args = ["--cacert", "ca.pem", "-u", user, "--data-binary", "@body", "-H", &content];
        let args = [&args[..], &["-H", "Content-Encoding: snappy"]].concat();
        weir.curl("https://HOST/api/v1/write", &args)
    };
    let (_, status, text) = push("bob:wrong", 1.0);
    assert_eq!(status, 401, "{text}");
    assert!(text.contains("www-authenticate: Basic") && text.contains("deny"), "{text}");
    let (_, status, text) = push("bob:s3cret", 2.0);
    assert_eq!(status, 204, "{text}");
    assert!(text.contains("x-frame-options: deny"), "{text}");
    assert!(text.contains("x-prometheus-remote-write-samples-written: 1"), "{text}");
    // Nor is it taken in the clear.
    let (code, ..) = weir.curl("http://HOST/api/v1/write", &["-u", "bob:s3cret", "-d", "x"]);
    assert_ne!(code, 0);
    receiver.wait_for(1);
    assert_eq!(receiver.accepted(), [("a".to_owned(), 2.0)]);
    let metric = "weir_http_requests_total{code=\"401\",endpoint=\"/api/v1/write\"}";
    assert_eq!(weir.metric("https", &["--cacert", "ca.pem", "-u", "bob:s3cret"], metric), 1);
}

#[test]
fn passwords_change_while_weir_runs() {
    let Some(mut weir) = Guarded::start(&users("one"), &[]) else { return };
    let status =
        |weir: &Guarded, password: &str| weir.status("http://HOST/-/healthy", &["-u", password]);
    assert_eq!(status(&weir, "bob:one"), 200);
    weir.rewrite(&users("two"), "Reloaded the web configuration.");
    assert_eq!((status(&weir, "bob:one"), status(&weir, "bob:two")), (401, 200));
    weir.rewrite("basic_auth_users: {bob: two}\n", "The new web configuration is bad");
    assert_eq!((status(&weir, "bob:one"), status(&weir, "bob:two")), (401, 200));
    let good = "weir_web_config_last_reload_successful";
    assert_eq!(weir.metric("http", &["-u", "bob:two"], good), 0);
    // Without a signal, soon after.
    weir.files.web(&users("three"));
    weir.process.wait_for_log("Reloaded the web configuration.");
    assert_eq!((status(&weir, "bob:two"), status(&weir, "bob:three")), (401, 200));
    assert_eq!(weir.metric("http", &["-u", "bob:three"], good), 1);
}

/// Wrong passwords in masses: who has the right one does not notice, and little is computed.
#[test]
fn a_flood_of_passwords_is_turned_away() {
    let hash = bcrypt::hash(PASSWORD, 8).unwrap();
    let web = format!("basic_auth_users: {{bob: {hash}}}\n");
    let Some(weir) = Guarded::start(&web, &[]) else { return };
    assert_eq!(weir.status("http://HOST/metrics", &["-u", "bob:s3cret"]), 200);
    let address = weir.process.address;
    let floods: Vec<_> = (0..40)
        .map(|flood| {
            std::thread::spawn(move || {
                let mut statuses = Vec::new();
                for n in 0..2 {
                    let credentials =
                        weir::http::percent::base64(format!("bob:{flood}.{n}").as_bytes());
                    let header = format!("Authorization: Basic {credentials}\r\n");
                    let reply = crate::support::request(address, "GET", "/metrics", &header);
                    statuses.push(reply.status);
                }
                statuses
            })
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(weir.status("http://HOST/metrics", &["-u", "bob:s3cret"]), 200);
    }
    let statuses: Vec<_> = floods.into_iter().flat_map(|flood| flood.join().unwrap()).collect();
    assert!(statuses.iter().all(|status| [401, 503].contains(status)), "{statuses:?}");
    let busy = statuses.iter().filter(|status| **status == 503).count() as u64;
    let right = ["-u", "bob:s3cret"];
    assert!(busy > 0);
    let refused = "weir_limit_refusals_total{limit=\"password_checks\"}";
    assert_eq!(weir.metric("http", &right, refused), busy);
}

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

#[test]
fn tls_is_spoken() {
    let Some(mut weir) = Guarded::start(&format!("{TLS}  min_version: TLS13\n"), &[]) else {
        return;
    };
    let trust = ["--cacert", "ca.pem"];
    let (_, status, text) = weir.curl("https://HOST/metrics", &trust);
    assert_eq!((status, text.ends_with("\r\n\r\na 1\n")), (200, true), "{text}");
    assert_eq!(weir.status("https://HOST/-/healthy", &["--cacert", "ca.pem", "--http2"]), 200);
    let (_, status, text) = weir.curl("http://HOST/metrics", &[]);
    assert_eq!((status, text.contains("HTTP request to an HTTPS server")), (400, true), "{text}");
    // 35: no TLS in common; 60: curl does not trust the certificate.
    let old = ["--cacert", "ca.pem", "--tls-max", "1.2"];
    assert_eq!(weir.curl("https://HOST/metrics", &old).0, 35);
    assert_eq!(weir.curl("https://HOST/metrics", &["--cacert", "other.crt"]).0, 60);
    let failures = |reason: &str| {
        let series = format!("weir_tls_handshake_failures_total{{reason=\"{reason}\"}}");
        weir.metric("https", &trust, &series)
    };
    assert_eq!((failures("plain_http"), failures("protocol")), (1, 2));
    // A renewed certificate, of another authority.
    let renewed = Files::new();
    for name in ["ca.pem", "server.crt", "server.key"] {
        std::fs::copy(renewed.path(name), weir.files.path(name)).unwrap();
    }
    weir.process.wait_for_log("Reloaded the web configuration.");
    assert_eq!(weir.status("https://HOST/metrics", &trust), 200);
    // Without TLS nothing would be as it was.
    weir.rewrite("{}\n", "TLS is turned on and off by a restart alone");
    assert_eq!(weir.status("https://HOST/metrics", &trust), 200);
}

#[test]
fn clients_show_certificates() {
    let strict = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n";
    let names = "  client_allowed_sans: [10.0.0.1]\n";
    let client = ["--cacert", "ca.pem", "--cert", "client.crt", "--key", "client.key"];
    let other = ["--cacert", "ca.pem", "--cert", "other.crt", "--key", "other.key"];
    let nobody = ["--cacert", "ca.pem"];
    for (policy, expect) in [
        (strict.to_owned(), [true, true, false]),
        (format!("{strict}{names}"), [true, false, false]),
        (
            format!("{strict}{names}").replace("10.0.0.1", "prometheus.internal"),
            [true, false, false],
        ),
        ("  client_auth_type: RequireAnyClientCert\n".to_owned(), [true, true, false]),
        ("  client_auth_type: RequestClientCert\n".to_owned(), [true, true, true]),
        (
            strict.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"),
            [true, true, true],
        ),
        (
            format!("{strict}{names}")
                .replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"),
            [true, false, false],
        ),
    ] {
        let Some(weir) = Guarded::start(&format!("{TLS}{policy}"), &[]) else { return };
        for version in ["1.2", "1.3"] {
            let ask = |args: &[&str]| {
                let mut args = args.to_vec();
                args.extend(["--tls-max", version]);
                weir.status("https://HOST/metrics", &args) == 200
            };
            assert_eq!([ask(&client), ask(&other), ask(&nobody)], expect, "{policy} {version}");
        }
        let n_refused = 2 * expect.iter().filter(|is_taken| !**is_taken).count() as u64;
        let refused = "weir_tls_handshake_failures_total{reason=\"certificate\"}";
        assert_eq!(weir.metric("https", &client, refused), n_refused, "{policy}");
    }
    // A certificate of another authority.
    let Some(weir) = Guarded::start(&format!("{TLS}{strict}"), &[]) else { return };
    let stranger = Files::new();
    let path = |name: &str| stranger.path(name).display().to_string();
    let (cert, key) = (path("client.crt"), path("client.key"));
    let stranger = ["--cacert", "ca.pem", "--cert", &cert, "--key", &key];
    assert_ne!(weir.status("https://HOST/metrics", &stranger), 200);
}

/// Who pushes is known by the names in the certificate, if an authority has signed it.
#[test]
fn a_certificate_tells_who_pushes() {
    let Some(curl) = find_or_skip("curl") else { return };
    let files = Files::new();
    let start = |policy: &str| {
        files.web(&format!("{TLS}{policy}"));
        let push = "push: {identities: [{name: c, client_names: [x, 10.0.0.1], job: mine}]}";
        files.write("weir.yaml", &format!("web_config_file: web.yml\n{push}\n"));
        let mut command = Command::new(WEIR);
        command.args(["-p0", "--config"]).arg(files.path("weir.yaml"));
        command
    };
    let policy = "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n";
    let process = Process::start(&mut start(policy));
    let port = process.address.port();
    let push = |name: &str, job: &str| {
        let mut command = Command::new(&curl);
        command.current_dir(files.dir.path());
        command.args(["-q", "-sS", "--noproxy", "*", "-m", "30", "-w", "%{http_code}"]);
        command.args(["--resolve", &format!("localhost:{port}:127.0.0.1"), "--cacert", "ca.pem"]);
        if !name.is_empty() {
            let (cert, key) = (format!("{name}.crt"), format!("{name}.key"));
            command.args(["--cert", &cert, "--key", &key]);
        }
        command.args(["--data-binary", "m 1\n"]);
        command.arg(format!("https://localhost:{port}/metrics/job/{job}"));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert_eq!(push("client", "mine"), "200");
    assert_eq!(push("client", "yours"), "c may not push for the job \"yours\", only for mine\n403");
    assert_eq!(push("other", "mine"), "Unauthorized\n401");
    assert_eq!(push("", "mine"), "Unauthorized\n401");
    // Where anybody can write what stands in a certificate, it tells nothing.
    let output = start("  client_auth_type: RequireAnyClientCert\n").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("client_names need a web_config_file whose"), "{told}");
    assert_eq!(output.status.code(), Some(2));
}

/// A client that says nothing holds a connection no longer than one that says half a request.
#[test]
fn a_handshake_has_its_time() {
    let flags = ["--header-timeout", "200ms"];
    let Some(weir) = Guarded::start(TLS, &flags) else { return };
    let began = Instant::now();
    let mut silent = std::net::TcpStream::connect(weir.process.address).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(std::io::Read::read(&mut silent, &mut [0; 16]).unwrap(), 0);
    assert!(began.elapsed() >= Duration::from_millis(200));
    let timeouts = "weir_tls_handshake_failures_total{reason=\"timeout\"}";
    assert_eq!(weir.metric("https", &["--cacert", "ca.pem"], timeouts), 1);
}

#[test]
fn a_bad_web_configuration_stops_the_start() {
    let files = Files::new();
    for (web, part) in [
        ("basic_auth_users: {bob: s3cret}\n", "not a bcrypt hash"),
        ("tls_server_config: {cert_file: none.crt, key_file: server.key}\n", "none.crt"),
        (
            "tls_server_config: {cert_file: other.crt, key_file: server.key}\n",
            "certificate and key",
        ),
    ] {
        let web = files.web(web);
        let output =
            Command::new(WEIR).args(["-p0", "--web.config.file"]).arg(&web).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(part) && !said.contains("s3cret\""), "{said}");
    }
    let missing: &Path = &files.path("missing.yml");
    let output = Command::new(WEIR).args(["-p0", "--web.config.file"]).arg(missing).output();
    assert_eq!(output.unwrap().status.code(), Some(2));
}
