//! The live interface: reading and changing what is generated, while it is generated.
//!
//! JSON over HTTP under `/api/v1/`, described by `openapi.json` beside this file. A change makes a
//! new document, compiles it, and swaps it in whole; whoever is being answered keeps the old one.
//! Nothing of it is persisted: the configuration as YAML is there to be kept by whoever wants to.

mod actions;
mod families;
mod openapi;
mod reply;
mod route;

use crate::app::generate::Loaded;
use crate::app::generate::live::reply::ApiError;
use crate::app::generate::live::reply::ApiResult;
use crate::app::generate::live::route::Route;
use crate::app::generate::page::Fault;
use crate::config::Finding;
use crate::config::generate::Document;
use crate::generate::generator::Generator;
use crate::generate::generator::Limits;
use crate::generate::overrides::Overrides;
use crate::http::Body;
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Time for a request's body.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// What is generated at the moment.
#[derive(Clone, Debug)]
pub struct State {
    /// As written.
    pub document: Document,
    /// Compiled, with what was changed by hand.
    pub generator: Generator,
    /// What is wrong with every page.
    pub fault: Fault,
}

/// What is generated, and how it is changed.
#[derive(Debug)]
pub struct Live {
    state: ArcSwap<State>,
    /// Held by whoever changes the state.
    changing: Mutex<()>,
    limits: Limits,
}

impl Live {
    /// Begin with what was loaded; later changes are bound by the same limits.
    pub fn new(loaded: Loaded, limits: Limits) -> Self {
        let Loaded { document, generator } = loaded;
        let state = State { document, generator, fault: Fault::default() };
        Self { state: ArcSwap::from_pointee(state), changing: Mutex::new(()), limits }
    }

    /// What is generated at the moment.
    pub fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Answer a request whose path goes on with `rest` behind `/api/v1/`.
    pub async fn handle(
        &self,
        rest: &str,
        request: Request<Incoming>,
        now_ms: i64,
        metrics: &Metrics,
    ) -> Response<Body> {
        let answered = self.answer(rest, request, now_ms).await;
        answered.unwrap_or_else(|error| {
            if error.status == StatusCode::PAYLOAD_TOO_LARGE {
                metrics.limit_refusal("api_body_bytes");
            }
            error.into_response()
        })
    }

    async fn answer(&self, rest: &str, request: Request<Incoming>, now_ms: i64) -> ApiResult {
        let route = Route::of(rest)?;
        let allowed = route.methods();
        if !allowed.contains(request.method()) {
            return Err(ApiError::method(allowed));
        }
        let method = request.method().clone();
        let query = request.uri().query().unwrap_or_default().to_owned();
        if method == Method::GET {
            return self.read(route, &query, now_ms).await;
        }
        let body = read_body(request.into_body()).await?;
        self.change(route, &method, &body, now_ms).await
    }

    async fn read(&self, route: Route, query: &str, now_ms: i64) -> ApiResult {
        let state = self.state();
        match route {
            Route::OpenApi => Ok(reply::json(StatusCode::OK, &openapi::description())),
            Route::Status => Ok(actions::status(&state, now_ms)),
            Route::Config => Ok(reply::yaml(state.document.to_yaml())),
            Route::Families => Ok(families::list(&state)),
            Route::Family(name) => families::read(&state, &name),
            Route::SeriesList(family) => {
                families::series_list(&state, &family, query, now_ms, self.limits).await
            }
            Route::Series(family, labels) => families::read_series(&state, &family, &labels),
            Route::Overrides => Ok(actions::overrides(&state)),
            Route::Faults => Ok(reply::json(StatusCode::OK, &state.fault.to_json())),
            Route::Hold | Route::Reset | Route::Spike | Route::Pause | Route::Resume => {
                Err(ApiError::method(route.methods()))
            }
        }
    }

    async fn change(&self, route: Route, method: &Method, body: &[u8], now_ms: i64) -> ApiResult {
        let _changing = self.changing.lock().await;
        let state = self.state();
        match route {
            Route::Families | Route::Family(_) | Route::SeriesList(_) | Route::Series(..) => {
                let change = families::change(&state.document, &route, method, body)?;
                let generator = self.compiled(&change.document, &state).await?;
                let next = State { document: change.document, generator, fault: state.fault };
                self.state.store(Arc::new(next));
                Ok(change.response)
            }
            Route::Faults => {
                let fault = actions::fault(method, body)?;
                self.state.store(Arc::new(State { fault, ..State::clone(&state) }));
                Ok(reply::done(&fault.to_json()))
            }
            _ => {
                let overrides = state.generator.overrides().clone();
                let (overrides, response) =
                    actions::change(&state, overrides, &route, body, now_ms)?;
                let generator = state.generator.with_overrides(overrides);
                self.state.store(Arc::new(State { generator, ..State::clone(&state) }));
                Ok(response)
            }
        }
    }

    /// Compile away from the threads that answer; what was changed by hand is kept.
    async fn compiled(&self, document: &Document, state: &State) -> Result<Generator, ApiError> {
        let compiled = compile(document.clone(), self.limits).await?;
        let overrides: Overrides = state.generator.overrides().clone();
        Ok(compiled.with_overrides(overrides))
    }
}

/// Compile on a thread of its own.
async fn compile(document: Document, limits: Limits) -> Result<Generator, ApiError> {
    let work =
        tokio::task::spawn_blocking(move || crate::app::generate::compile(&document, limits));
    let compiled = work.await.map_err(|_| ApiError::internal())?;
    compiled.map_err(|errors| {
        // Positions are those of no file; the path says where.
        ApiError::malformed(errors.iter().map(Finding::without_place).collect())
    })
}

async fn read_body(mut body: Incoming) -> Result<Bytes, ApiError> {
    let reading = async {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| ApiError::bad("the body did not come whole"))?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > BODY_BYTES_MAX {
                    return Err(ApiError::too_large(BODY_BYTES_MAX));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(Bytes::from(bytes))
    };
    match timeout(BODY_TIME_MAX, reading).await {
        Ok(read) => read,
        Err(_) => Err(ApiError::bad("the body did not come in time")),
    }
}
