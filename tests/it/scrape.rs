//! One scrape: what counts as a whole exposition, and how the client gets at it.

use crate::support::{FakeTarget, PATIENCE, Peer, gzip, runtime};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use weir::http::Client;
use weir::http::client::AskFor;
use weir::http::proxy::{ProxyRules, ProxySettings};
use weir::http::settings::{ClientSettings, Secret, TlsSettings};
use weir::model::Format;
use weir::source::{Refused, ScrapeError, ScrapeErrorKind, Scraper, Target, within};

const BODY_BYTES_MAX: u64 = 1 << 20;

fn scraper() -> Scraper {
    Scraper::new(Client::default(), AskFor::Auto, BODY_BYTES_MAX)
}

async fn read(scraper: &Scraper, url: &str) -> Result<(Format, String), ScrapeError> {
    read_target(scraper, &Target::parse(url).unwrap()).await
}

async fn read_target(scraper: &Scraper, target: &Target) -> Result<(Format, String), ScrapeError> {
    let exposition = scraper.open(target, PATIENCE).await?;
    let (format, mut body) = (exposition.format, Vec::new());
    exposition
        .read(|piece| {
            body.extend_from_slice(piece);
            Ok(())
        })
        .await?;
    Ok((format, String::from_utf8(body).unwrap()))
}

fn scrape(url: &str) -> Result<(Format, String), ScrapeError> {
    runtime().block_on(read(&scraper(), url))
}

#[track_caller]
fn check_fails(script: impl Fn(&mut Peer) + Send + Sync + 'static, kind: ScrapeErrorKind) {
    let target = FakeTarget::start(script);
    let error = scrape(&target.url()).unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    assert!(!error.message.contains('\n'), "{error:?}");
}

#[track_caller]
fn check_reads(script: impl Fn(&mut Peer) + Send + Sync + 'static, expect: &str) {
    let target = FakeTarget::start(script);
    assert_eq!(scrape(&target.url()).unwrap().1, expect);
}

#[test]
fn whole_bodies_are_read_however_they_are_sent() {
    check_reads(|peer| peer.ok("a 1\nb 2\n"), "a 1\nb 2\n");
    check_reads(|peer| peer.ok(""), "");
    check_reads(
        |peer| {
            peer.start_chunks();
            for byte in b"a 1\nb 2\n" {
                peer.chunk([*byte]);
            }
            peer.chunk("");
        },
        "a 1\nb 2\n",
    );
    check_reads(
        |peer| {
            peer.send("HTTP/1.0 200 OK\r\n\r\na 1\n");
            peer.close();
        },
        "a 1\n",
    );
}

#[test]
fn gzip_is_decoded_although_it_was_not_asked_for() {
    const HEADERS: &str = "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n";
    check_reads(|peer| peer.answer("200 OK", HEADERS, gzip("a 1\n")), "a 1\n");
    check_reads(
        |peer| peer.answer("200 OK", HEADERS, [gzip("a 1\n"), gzip("b 2\n")].concat()),
        "a 1\nb 2\n",
    );
    check_reads(
        |peer| {
            peer.send(
                "HTTP/1.1 200 OK\r\nContent-Encoding: x-gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            for byte in gzip("a 1\n") {
                peer.chunk([byte]);
            }
            peer.chunk("");
        },
        "a 1\n",
    );
}

/// FIX-E4: a transfer that does not end cleanly fails the target.
#[test]
fn fix_e4_cut_bodies_are_errors() {
    check_fails(
        |peer| {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbar_total 123");
            peer.close();
        },
        ScrapeErrorKind::Truncated,
    );
    check_fails(
        |peer| {
            peer.start_chunks();
            peer.chunk("a 1\n");
            peer.close();
        },
        ScrapeErrorKind::Truncated,
    );
    check_fails(
        |peer| {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbar_total 123");
            peer.reset();
        },
        ScrapeErrorKind::Truncated,
    );
    check_fails(
        |peer| {
            let body = gzip("a 1\n".repeat(1000));
            peer.answer("200 OK", "Content-Encoding: gzip\r\n", &body[..body.len() - 3]);
        },
        ScrapeErrorKind::Truncated,
    );
}

#[test]
fn corrupt_and_unknown_encodings_are_errors() {
    check_fails(
        |peer| peer.answer("200 OK", "Content-Encoding: gzip\r\n", "a 1\n"),
        ScrapeErrorKind::Encoding,
    );
    check_fails(
        |peer| peer.answer("200 OK", "Content-Encoding: zstd\r\n", "a 1\n"),
        ScrapeErrorKind::Encoding,
    );
}

/// FIX-E1: every status but 2xx fails the target, with a body or without.
#[test]
fn fix_e1_only_2xx_is_an_answer() {
    for status in ["401 Unauthorized", "404 Not Found", "500 Oops", "503 Busy", "304 Same"] {
        check_fails(move |peer| peer.answer(status, "", ""), ScrapeErrorKind::Status);
        check_fails(move |peer| peer.answer(status, "", "error 500\n"), ScrapeErrorKind::Status);
    }
}

/// FIX-E2: the content type says how to parse, and that a page is no exposition.
#[test]
fn fix_e2_the_content_type_decides() {
    for (content_type, format) in [
        ("text/plain; version=0.0.4; charset=utf-8", Format::Text),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
        ("text/x-whatever", Format::Text),
    ] {
        let headers = format!("Content-Type: {content_type}\r\n");
        let target = FakeTarget::start(move |peer| peer.answer("200 OK", &headers, "a 1\n# EOF\n"));
        assert_eq!(scrape(&target.url()).unwrap().0, format, "{content_type}");
    }
    check_reads(|peer| peer.answer("200 OK", "", "a 1\n"), "a 1\n");
    for headers in
        ["Content-Type: text/html; charset=utf-8\r\n", "Content-Type: application/json\r\n"]
    {
        check_fails(
            move |peer| peer.answer("200 OK", headers, "a 1\n"),
            ScrapeErrorKind::ContentType,
        );
    }
}

#[test]
fn what_is_not_http_is_an_error() {
    check_fails(|peer| peer.send("SSH-2.0-OpenSSH_9.2\r\n\r\n"), ScrapeErrorKind::Http);
    check_fails(Peer::close, ScrapeErrorKind::Http);
}

#[test]
fn nobody_listening_is_an_error_that_names_the_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = scrape(&format!("http://bob:secret@{free}/m?token=hush")).unwrap_err();
    assert_eq!(error.kind, ScrapeErrorKind::Connect);
    assert!(error.message.contains(&free.to_string()), "{error}");
    assert!(!error.message.contains("secret") && !error.message.contains("hush"), "{error}");
}

/// FIX-E10: the decoded body has a limit, also where it is small on the wire.
#[test]
fn fix_e10_bodies_over_the_limit_are_errors() {
    let large = "a 1\n".repeat(1 << 18) + "b 2\n";
    let (plain, packed) = (large.clone(), gzip(&large));
    check_fails(move |peer| peer.ok(&plain), ScrapeErrorKind::BodyBytes);
    check_fails(
        move |peer| peer.answer("200 OK", "Content-Encoding: gzip\r\n", &packed),
        ScrapeErrorKind::BodyBytes,
    );
    let nothing = gzip("").repeat(1 << 16);
    check_fails(
        move |peer| peer.answer("200 OK", "Content-Encoding: gzip\r\n", &nothing),
        ScrapeErrorKind::BodyBytes,
    );
    check_reads(|peer| peer.ok("a 1\n".repeat(1 << 18)), &"a 1\n".repeat(1 << 18));
}

#[test]
fn a_sink_that_refuses_ends_the_scrape() {
    let target = FakeTarget::start(|peer| {
        peer.start_chunks();
        peer.chunk("a 1\n");
        peer.hang();
    });
    let done = runtime().block_on(async {
        let opened =
            scraper().open(&Target::parse(&target.url()).unwrap(), PATIENCE).await.unwrap();
        opened.read(|_| Err(Refused { reason: "parse", message: "no".to_owned() })).await
    });
    assert_eq!(done.unwrap_err().kind, ScrapeErrorKind::Refused("parse"));
    target.wait_until(|seen| seen.n_gone == 1);
}

#[test]
fn the_deadline_covers_head_and_body() {
    for script in [Peer::hang, |peer: &mut Peer| {
        peer.start_chunks();
        peer.chunk("a 1\nbar_total 123");
        peer.hang();
    }] {
        let target = FakeTarget::start(script);
        let upstream = Target::parse(&target.url()).unwrap();
        let scraper = scraper();
        let done = runtime().block_on(async {
            let reading = async { scraper.open(&upstream, PATIENCE).await?.read(|_| Ok(())).await };
            within(tokio::time::sleep(Duration::from_millis(200)), reading).await
        });
        assert_eq!(done.unwrap_err().kind, ScrapeErrorKind::Timeout);
        // The connection does not outlive the scrape.
        target.wait_until(|seen| seen.n_gone == 1);
    }
}

/// FIX-H10: the request says what is parsed, who asks, and how long the asker waits.
#[test]
fn fix_h10_the_request_says_what_is_wanted() {
    let target = FakeTarget::text("a 1\n");
    scrape(&target.url()).unwrap();
    let head = &target.seen().heads[0];
    for line in [
        "GET /metrics HTTP/1.1",
        &format!("host: {}", target.address),
        &format!("user-agent: weir/{}", env!("CARGO_PKG_VERSION")),
        "accept-encoding: identity",
        "accept: text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6",
        "x-prometheus-scrape-timeout-seconds: 30\r\n",
    ] {
        assert!(head.contains(line), "{line:?} is not in {head}");
    }
    assert!(!head.contains("authorization"), "{head}");
}

#[test]
fn credentials_of_the_url_become_basic_authentication() {
    let target = FakeTarget::text("a 1\n");
    scrape(&format!("http://bob:s3cret@{}/a%2Fb?x=%41&y", target.address)).unwrap();
    let head = &target.seen().heads[0];
    assert!(head.contains("authorization: Basic Ym9iOnMzY3JldA=="), "{head}");
    assert!(head.starts_with("GET /a%2Fb?x=%41&y HTTP/1.1"), "{head}");
}

#[test]
fn connections_are_used_again() {
    let target = FakeTarget::text("a 1\n");
    runtime().block_on(async {
        let scraper = scraper();
        for _ in 0..5 {
            read(&scraper, &target.url()).await.unwrap();
        }
    });
    assert_eq!((target.seen().heads.len(), target.seen().n_connections), (5, 1));
}

/// A server may close an idle connection at the moment it is used again.
#[test]
fn a_stale_connection_is_replaced_without_a_failed_scrape() {
    let target =
        FakeTarget::start(|peer| if peer.nth == 1 { peer.close() } else { peer.ok("a 1\n") });
    runtime().block_on(async {
        let scraper = scraper();
        read(&scraper, &target.url()).await.unwrap();
        read(&scraper, &target.url()).await.unwrap();
    });
    assert_eq!((target.seen().heads.len(), target.seen().n_connections), (3, 2));
}

#[test]
fn redirects_are_followed_up_to_ten() {
    for (n_redirects, expect) in [(10, None), (11, Some(ScrapeErrorKind::Redirect))] {
        let target = FakeTarget::start(move |peer| {
            if peer.nth < n_redirects {
                peer.answer("302 Found", "Location: again?x\r\n", "");
            } else {
                peer.ok("a 1\n");
            }
        });
        let done = scrape(&target.url());
        assert_eq!(done.err().map(|e| e.kind), expect);
    }
    check_fails(
        |peer| peer.answer("302 Found", "Location: ftp://x/\r\n", ""),
        ScrapeErrorKind::Redirect,
    );
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_host() {
    let other = FakeTarget::text("a 1\n");
    let location = format!("Location: {}\r\n", other.url());
    let target = FakeTarget::start(move |peer| peer.answer("301 Moved", &location, ""));
    scrape(&format!("http://bob:s3cret@{}/m", target.address)).unwrap();
    assert!(target.seen().heads[0].contains("authorization: Basic"));
    assert!(!other.seen().heads[0].contains("authorization"), "{}", other.seen().heads[0]);
}

fn proxied(proxy: &FakeTarget) -> ProxyRules {
    let url = format!("http://p:w@{}", proxy.address);
    let settings = ProxySettings { http: url.clone(), https: url, none: String::new() };
    ProxyRules::new(&settings).unwrap()
}

#[test]
fn a_proxy_is_asked_for_the_whole_url_and_gzip() {
    let proxy = FakeTarget::text("a 1\n");
    let client = Client::new(proxied(&proxy));
    let scraper = Scraper::new(client, AskFor::Auto, BODY_BYTES_MAX);
    runtime().block_on(read(&scraper, "http://u:s@exporter.invalid:81/m?x=y")).unwrap();
    let head = &proxy.seen().heads[0];
    for line in [
        "GET http://exporter.invalid:81/m?x=y HTTP/1.1",
        "host: exporter.invalid:81",
        "proxy-authorization: Basic cDp3",
        "authorization: Basic dTpz",
        "accept-encoding: gzip",
    ] {
        assert!(head.contains(line), "{line:?} is not in {head}");
    }
}

/// A replica behind a name is reached through a proxy by its address.
#[test]
fn a_proxy_is_given_the_address() {
    let proxy = FakeTarget::text("a 1\n");
    let scraper = Scraper::new(Client::new(proxied(&proxy)), AskFor::Auto, BODY_BYTES_MAX);
    let url = weir::http::Url::parse("http://pods.invalid:81/m?x=y").unwrap();
    let target = Target::At(url, "192.0.2.7:81".parse().unwrap());
    runtime().block_on(read_target(&scraper, &target)).unwrap();
    let head = &proxy.seen().heads[0];
    assert!(head.starts_with("GET http://192.0.2.7:81/m?x=y HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: pods.invalid:81\r\n"), "{head}");
}

#[test]
fn loopback_does_not_go_through_the_proxy() {
    let (proxy, target) = (FakeTarget::text("wrong 1\n"), FakeTarget::text("a 1\n"));
    let scraper = Scraper::new(Client::new(proxied(&proxy)), AskFor::Auto, BODY_BYTES_MAX);
    assert_eq!(runtime().block_on(read(&scraper, &target.url())).unwrap().1, "a 1\n");
    assert_eq!(proxy.seen().heads.len(), 0);
}

#[test]
fn https_goes_through_a_tunnel_that_may_be_refused() {
    let proxy = FakeTarget::start(|peer| peer.answer("407 Auth Required", "", ""));
    let scraper = Scraper::new(Client::new(proxied(&proxy)), AskFor::Auto, BODY_BYTES_MAX);
    let error = runtime().block_on(read(&scraper, "https://exporter.invalid/m")).unwrap_err();
    assert_eq!(error.kind, ScrapeErrorKind::Connect);
    assert!(error.message.contains("407 Auth Required"), "{error}");
    let head = &proxy.seen().heads[0];
    assert!(head.starts_with("CONNECT exporter.invalid:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("Proxy-Authorization: Basic cDp3"), "{head}");
}

/// A TLS server with a certificate for `localhost`, and settings that trust it.
fn tls_pair() -> (std::net::SocketAddr, TlsSettings, tokio::runtime::Runtime) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let der = weir::http::percent::base64(made.cert.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n");
    let ca = Some(Secret::Inline(pem));

    let runtime = runtime();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    runtime.spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            assert!(tls.read(&mut request).await.unwrap() > 0);
            tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n").await.unwrap();
            tls.shutdown().await.unwrap();
        }
    });
    (address, TlsSettings { ca, ..TlsSettings::default() }, runtime)
}

fn scraper_with(settings: ClientSettings) -> Scraper {
    Scraper::with_settings(settings, ProxyRules::default(), AskFor::Auto, BODY_BYTES_MAX)
}

fn scraper_with_tls(tls: TlsSettings) -> Scraper {
    scraper_with(ClientSettings { tls, ..ClientSettings::default() })
}

#[test]
fn https_targets_are_verified_and_read() {
    let (address, tls, runtime) = tls_pair();
    let scraper = scraper_with_tls(tls);
    let read = |url: String| runtime.block_on(read(&scraper, &url));
    assert_eq!(read(format!("https://localhost:{}/m", address.port())).unwrap().1, "a 1\n");
    // The certificate is for the name, not for the address.
    let error = read(format!("https://127.0.0.1:{}/m", address.port())).unwrap_err();
    assert_eq!(error.kind, ScrapeErrorKind::Tls);
}

/// The certificate is asked for by name, whatever address is used.
#[test]
fn the_name_stays_when_the_address_is_given() {
    let (address, tls, runtime) = tls_pair();
    let scraper = scraper_with_tls(tls.clone());
    let at = |url: &str| Target::At(weir::http::Url::parse(url).unwrap(), address);
    let read = |scraper: &Scraper, target: Target| runtime.block_on(read_target(scraper, &target));
    assert_eq!(read(&scraper, at("https://localhost/m")).unwrap().1, "a 1\n");
    let error = read(&scraper, at("https://elsewhere.invalid/m")).unwrap_err();
    assert_eq!(error.kind, ScrapeErrorKind::Tls);
    // Another name, or none, may be asked for.
    let named = TlsSettings { server_name: Some("localhost".to_owned()), ..tls };
    let target = at("https://elsewhere.invalid/m");
    assert_eq!(read(&scraper_with_tls(named), target.clone()).unwrap().1, "a 1\n");
    let blind = TlsSettings { insecure_skip_verify: true, ..TlsSettings::default() };
    assert_eq!(read(&scraper_with_tls(blind), target.clone()).unwrap().1, "a 1\n");
    let missing =
        TlsSettings { ca: Some(Secret::File("no/such/ca.pem".into())), ..TlsSettings::default() };
    let error = read(&scraper_with_tls(missing), target).unwrap_err();
    assert_eq!(error.kind, ScrapeErrorKind::Tls);
    assert!(error.message.contains("no/such/ca.pem"), "{error}");

    let plain = FakeTarget::text("a 1\n");
    let url = weir::http::Url::parse("http://u:p@pods.invalid:81/m?x=y").unwrap();
    let target = Target::At(url, plain.address);
    assert_eq!(read(&scraper_with(ClientSettings::default()), target).unwrap().1, "a 1\n");
    let head = &plain.seen().heads[0];
    assert!(head.starts_with("GET /m?x=y HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: pods.invalid:81\r\n"), "{head}");
    assert!(head.contains("authorization: Basic dTpw\r\n"), "{head}");
}

/// What an upstream is told about who asks is not told to others.
#[test]
fn settings_go_to_the_upstream_alone() {
    let other = FakeTarget::text("b 2\n");
    let location = format!("Location: {}\r\n", other.url());
    let target = FakeTarget::start(move |peer| peer.answer("302 Found", &location, ""));
    let settings = ClientSettings {
        authorization: Some(weir::http::settings::Authorization::Scheme {
            scheme: "Bearer".to_owned(),
            credentials: Some(Secret::Inline("t0ken".to_owned())),
        }),
        headers: vec![weir::http::settings::HeaderSetting {
            name: http::HeaderName::from_static("x-tenant"),
            values: vec![Secret::Inline("a".to_owned())],
        }],
        ..ClientSettings::default()
    };
    let read_with = |settings: &ClientSettings| {
        runtime().block_on(read(&scraper_with(settings.clone()), &target.url()))
    };
    assert_eq!(read_with(&settings).unwrap().1, "b 2\n");
    let head = &target.seen().heads[0];
    assert!(head.contains("authorization: Bearer t0ken\r\n"), "{head}");
    assert!(head.contains("x-tenant: a\r\n"), "{head}");
    let head = &other.seen().heads[0];
    assert!(!head.contains("t0ken") && !head.contains("x-tenant"), "{head}");

    let stays = ClientSettings { follow_redirects: false, ..settings };
    assert_eq!(read_with(&stays).unwrap_err().kind, ScrapeErrorKind::Status);
    let lost = ClientSettings {
        authorization: Some(weir::http::settings::Authorization::Scheme {
            scheme: "Bearer".to_owned(),
            credentials: Some(Secret::File("no/such/token".into())),
        }),
        ..ClientSettings::default()
    };
    let error = read_with(&lost).unwrap_err();
    assert_eq!(error.kind, ScrapeErrorKind::Secret);
    assert!(error.message.contains("no/such/token"), "{error}");
}

#[test]
fn a_plain_server_is_no_tls_server() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        use std::io::Write;
        listener.accept().unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let (_, tls, runtime) = tls_pair();
    let scraper = scraper_with_tls(tls);
    let url = format!("https://localhost:{}/m", address.port());
    assert_eq!(runtime.block_on(read(&scraper, &url)).unwrap_err().kind, ScrapeErrorKind::Tls);
    server.join().unwrap();
}

#[test]
fn a_file_is_read_anew_for_each_scrape() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.prom");
    let url = format!("file:{}", path.display());
    assert_eq!(scrape(&url).unwrap_err().kind, ScrapeErrorKind::File);
    for text in ["a 1\n", "a 2\nb 3\n"] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(scrape(&url).unwrap().1, text);
    }
    assert_eq!(scrape("file:/dev/zero").unwrap_err().kind, ScrapeErrorKind::File);
    assert_eq!(
        scrape(&format!("file:{}", folder.path().display())).unwrap_err().kind,
        ScrapeErrorKind::File
    );
}

/// However much a target has to say, and however well it packs it: the deadline is looked at.
#[test]
fn a_body_that_always_goes_on_is_read_in_turns() {
    const N_BYTES: usize = 256 << 20;
    let packed = gzip("\n".repeat(4 << 20)).repeat(N_BYTES / (4 << 20));
    assert!(packed.len() < N_BYTES / 900, "{} bytes", packed.len());
    let target = FakeTarget::start(move |peer| {
        peer.answer("200 OK", "Content-Encoding: gzip\r\n", &packed);
    });
    let scraper = Scraper::new(Client::default(), AskFor::Auto, 1 << 30);
    let target = Target::parse(&target.url()).unwrap();
    let mut n_decoded = 0;
    let read = runtime().block_on(async {
        let exposition = scraper.open(&target, PATIENCE).await.unwrap();
        // Looked at whenever reading has paused, be it for the network or for its turn to end.
        let mut n_looks = 0;
        let deadline = std::future::poll_fn(|_| {
            n_looks += 1;
            if n_looks < 100 { Poll::Pending } else { Poll::Ready(()) }
        });
        let read = exposition.read(|piece| {
            n_decoded += piece.len();
            Ok(())
        });
        within(deadline, read).await
    });
    assert_eq!(read.unwrap_err().kind, ScrapeErrorKind::Timeout);
    assert!(n_decoded < N_BYTES, "{n_decoded} bytes were decoded");
}

/// A file says by its end which format it is in.
#[test]
fn a_file_of_openmetrics_is_read_as_such() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let url = format!("file:{}", file.path().display());
    for (text, format) in [
        ("a 1 1.5\n# EOF\n", Format::OpenMetrics),
        ("# EOF", Format::OpenMetrics),
        ("a 1 15\n", Format::Text),
        ("", Format::Text),
    ] {
        std::fs::write(file.path(), text).unwrap();
        assert_eq!(scrape(&url).unwrap(), (format, text.to_owned()));
    }
}
