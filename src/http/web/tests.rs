use super::*;
use tokio_rustls::rustls;

fn headers(authorization: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
    headers
}

fn basic(credentials: &str) -> HeaderMap {
    headers(&format!("Basic {}", percent::base64(credentials.as_bytes())))
}

#[test]
fn credentials_are_read_as_go_reads_them() {
    let read = |text: &str| credentials(&headers(text));
    let both = |name: &str, password: &[u8]| Some((name.to_owned(), password.to_vec()));
    assert_eq!(credentials(&basic("bob:a:b")), both("bob", b"a:b"));
    assert_eq!(credentials(&basic(":")), both("", b""));
    assert_eq!(read("bASIC Ym9iOg=="), both("bob", b""));
    for text in ["Basic", "Basic Ym9i", "Basic  Ym9iOg==", "Bearer Ym9iOg==", "Ym9iOg==", "Basic !"]
    {
        assert_eq!(read(text), None, "{text}");
    }
    assert_eq!(credentials(&HeaderMap::new()), None);
}

async fn web(settings: WebSettings) -> Web {
    Web::new(Prepared::read(settings).await.unwrap(), false, || 7).await.unwrap()
}

#[tokio::test]
async fn users_are_admitted_by_their_password() {
    let hash = bcrypt::hash("s3cret", 4).unwrap();
    let users = vec![User { name: "bob".to_owned(), hash }];
    let web = web(WebSettings { users, ..WebSettings::default() }).await;
    assert_eq!(web.admit(&HeaderMap::new()).await, Err(Refusal::NoCredentials));
    assert_eq!(web.admit(&basic("bob:wrong")).await, Err(Refusal::BadCredentials));
    assert_eq!(web.admit(&basic("bob:s3cret")).await, Ok(()));
    // Without users anybody may ask.
    web.replace(Prepared::default()).await.unwrap();
    assert_eq!(web.admit(&HeaderMap::new()).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn requests_are_let_in_by_rate() {
    let rate = Some(Rate { interval: Duration::from_secs(2), burst: 3 });
    let web = web(WebSettings { rate, ..WebSettings::default() }).await;
    let ask = async || web.admit(&HeaderMap::new()).await.is_ok();
    assert_eq!([ask().await, ask().await, ask().await, ask().await], [true, true, true, false]);
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!([ask().await, ask().await], [true, false]);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(ask().await);
    // However long nobody asks, no more than the burst is saved.
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_eq!([ask().await, ask().await, ask().await, ask().await], [true, true, true, false]);
}

#[tokio::test]
async fn answers_get_their_headers() {
    let header = (HeaderName::from_static("x-frame-options"), HeaderValue::from_static("deny"));
    let web = web(WebSettings { headers: vec![header], ..WebSettings::default() }).await;
    let mut headers = HeaderMap::new();
    web.decorate(&mut headers);
    assert_eq!(headers["x-frame-options"], "deny");
}

fn server_tls() -> (ServerTls, rcgen::CertifiedKey<rcgen::KeyPair>) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = ServerTls {
        identity: (
            Secret::Inline(certified.cert.pem()),
            Secret::Inline(certified.signing_key.serialize_pem()),
        ),
        client_ca: None,
        client_auth: tls::ClientAuth::None,
        client_allowed_sans: None,
        min_version: crate::http::settings::TlsVersion::Tls12,
        max_version: crate::http::settings::TlsVersion::Tls13,
        cipher_suites: Vec::new(),
        curves: Vec::new(),
        prefers_own_order: true,
    };
    (tls, certified)
}

async fn try_tls(tls: ServerTls) -> Result<(), String> {
    let settings = WebSettings { tls: Some(tls), ..WebSettings::default() };
    Web::new(Prepared::read(settings).await?, false, || 7).await.map(drop)
}

#[tokio::test]
async fn tls_that_cannot_be_is_refused() {
    let (good, _) = server_tls();
    try_tls(good.clone()).await.unwrap();
    let (other, _) = server_tls();
    let text = |text: &str| Secret::Inline(text.to_owned());
    let file = || Secret::File("no/such/file.pem".into());
    let old = crate::http::settings::TlsVersion::Tls12;
    let tls = |change: &dyn Fn(&mut ServerTls)| {
        let mut tls = good.clone();
        change(&mut tls);
        tls
    };
    for (tls, part) in [
        (tls(&|tls| tls.identity.0 = file()), "no/such/file.pem"),
        (tls(&|tls| tls.identity.0 = text("nonsense")), "the certificate, the text in the file"),
        (tls(&|tls| tls.identity.1 = text("nonsense")), "the key, the text in the file"),
        (tls(&|tls| tls.identity.1 = other.identity.1.clone()), "certificate and key"),
        (
            tls(&|tls| {
                tls.client_auth = tls::ClientAuth::RequireAndVerify;
                tls.client_ca = Some(text("nonsense"));
            }),
            "client_ca",
        ),
        (tls(&|tls| tls.curves = vec!["CurveP521"]), "curve_preferences"),
        (
            tls(&|tls| {
                tls.max_version = old;
                tls.cipher_suites = vec!["TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"];
            }),
            "cipher_suites",
        ),
    ] {
        let error = try_tls(tls).await.unwrap_err();
        assert!(error.contains(part), "{part} is not in {error}");
        assert!(!error.contains("BEGIN"), "{error}");
    }
}

#[tokio::test]
async fn tls_is_not_turned_off_or_on_under_way() {
    let (tls, _) = server_tls();
    let settings = WebSettings { tls: Some(tls), ..WebSettings::default() };
    let with_tls = Prepared::read(settings).await.unwrap();
    let web = Web::new(with_tls.clone(), false, || 7).await.unwrap();
    assert!(web.replace(Prepared::default()).await.is_err());
    assert!(web.tls().is_some());
    web.replace(with_tls.clone()).await.unwrap();
    let plain = Web::new(Prepared::default(), false, || 7).await.unwrap();
    assert!(plain.replace(with_tls).await.is_err());
    assert!(plain.tls().is_none());
}

/// The names here are those the libraries use.
#[test]
fn every_name_that_is_spoken_is_known_to_rustls() {
    let provider = rustls::crypto::ring::default_provider();
    let suites = provider.cipher_suites.iter();
    let suites: Vec<_> = suites.map(|suite| format!("{:?}", suite.suite())).collect();
    for (name, is_spoken) in tls::CIPHER_SUITES {
        let own = name.replace("TLS_AES", "TLS13_AES").replace("TLS_CHACHA", "TLS13_CHACHA");
        assert_eq!(suites.contains(&own), is_spoken, "{name}: {suites:?}");
    }
    let groups: Vec<_> =
        provider.kx_groups.iter().map(|group| format!("{:?}", group.name())).collect();
    for (name, spoken) in tls::CURVES {
        assert!(spoken.is_none_or(|own| groups.contains(&own.to_owned())), "{name}: {groups:?}");
    }
}
