//! What is pushed to a gate: remote write coming in, beside what is scraped or alone.

use crate::app::gate::Gate;
use crate::app::gate::GateConfig;
use crate::app::gate::admit;
use crate::app::receive::Receiver;
use crate::app::receive::ReceiverConfig;
use crate::app::receive::queued::Queued;
use crate::app::receive::state_file;
use crate::config::file::Config;
use crate::config::file::receive::ReceiveSettings;
use crate::http::Body;
use crate::http::answer::answer;
use crate::http::server::Drain;
use crate::relabel::Rules;
use crate::remote_write::Destinations;
use crate::stream;
use crate::telemetry::Metrics;
use http::Request;
use http::Response;
use hyper::body::Incoming;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

/// The state of aggregation, below the data directory.
const STATE_FILE: &str = "aggregation";
/// What requests are counted under, whatever path they come to.
const LABEL: &str = "/api/v1/write";

/// What is received and what becomes of it.
#[derive(Clone, Debug)]
pub struct ReceivePlan {
    settings: ReceiveSettings,
    rules: Rules,
    streams: Vec<stream::Rule>,
    /// The rules of each destination.
    of_destinations: Vec<Rules>,
    /// Where the state of aggregation waits for the next start.
    state_file: Option<PathBuf>,
}

impl ReceivePlan {
    /// What a configuration asks for, if it asks for any.
    pub fn of(config: &Config) -> Option<Self> {
        Some(Self {
            settings: config.receive.clone()?,
            rules: config.main.rules.clone(),
            streams: config.streams.clone(),
            of_destinations: config
                .remote_write
                .iter()
                .map(|block| block.write_relabel.rules.clone())
                .collect(),
            state_file: config.data_dir.as_ref().map(|dir| dir.join(STATE_FILE)),
        })
    }

    /// What a configuration asks for and cannot be done, a line each.
    pub(super) fn impossible(config: &Config) -> Vec<String> {
        if config.receive.is_none() {
            let line = "aggregate: items with an interval are for what is received: add receive";
            return Vec::from_iter((!config.streams.is_empty()).then(|| line.to_owned()));
        }
        let is_alone = config.upstreams.is_empty();
        let wrong = [
            (
                config.remote_write.is_empty(),
                "receive: there is no remote_write to send on to, give it a url",
            ),
            (config.push.is_some(), "push: it is not served together with receive, run two weirs"),
            (
                is_alone && !config.aggregate.is_empty(),
                "aggregate: without upstreams an item needs an interval",
            ),
            (
                is_alone && !config.subsets.is_empty(),
                "subsets: they are made of upstreams, and there are none",
            ),
        ];
        let wrong = wrong.into_iter().filter(|(is_wrong, _)| *is_wrong);
        wrong.map(|(_, line)| line.to_owned()).collect()
    }

    /// The same for a receiver. The rules of a destination are those of the block at its place.
    fn receiver(&self, of: &Surroundings<'_>) -> ReceiverConfig<Queued> {
        let list = of.destinations.list();
        let all = list.iter().zip(self.of_destinations.iter().cloned());
        ReceiverConfig {
            settings: self.settings.clone(),
            destinations: all
                .map(|(queue, rules)| Arc::new(Queued::new(Arc::clone(queue), rules)))
                .collect(),
            rules: self.rules.clone(),
            streams: self.streams.clone(),
            clock: of.config.clock,
            random: of.config.random,
        }
    }
}

/// What a receiver needs beside its plan.
struct Surroundings<'a> {
    config: &'a GateConfig,
    destinations: &'a Destinations,
}

/// A receiver at work.
#[derive(Debug)]
pub(super) struct Received {
    receiver: Receiver<Queued>,
    state_file: Option<PathBuf>,
}

impl Received {
    /// Begin to receive, if that is asked for; `saved` is what [`Received::saved`] gave.
    pub(super) fn start(
        config: &GateConfig,
        saved: Option<&[u8]>,
        metrics: &Metrics,
    ) -> Option<Self> {
        let (plan, destinations) = config.receive.as_ref().zip(config.destinations.as_ref())?;
        let receiver = plan.receiver(&Surroundings { config, destinations });
        Some(Self {
            receiver: Receiver::new(receiver, saved, metrics.receive.clone()),
            state_file: plan.state_file.clone(),
        })
    }

    /// What the process before has left.
    pub(super) async fn saved(config: &GateConfig) -> Option<Vec<u8>> {
        let path = config.receive.as_ref()?.state_file.clone()?;
        state_file::take(path).await
    }

    /// Take over a new configuration.
    pub(super) fn reload(&self, config: &GateConfig, destinations: Option<&Arc<Destinations>>) {
        if let Some((plan, destinations)) = config.receive.as_ref().zip(destinations) {
            self.receiver.reload(plan.receiver(&Surroundings { config, destinations }));
        }
    }

    /// From now on, take nothing.
    pub(super) fn drain(&self) {
        self.receiver.drain();
    }

    /// Tell what is aggregated, again and again.
    pub(super) async fn aggregate_for_ever(&self) -> Drain {
        self.receiver.aggregate_for_ever().await
    }

    /// Tell what is left to tell, and keep what is to go on with the next start.
    pub(super) async fn end(&self) {
        self.receiver.flush_aggregates().await;
        let Some(path) = self.state_file.clone() else { return };
        let state = self.receiver.save_aggregation();
        if let Err(error) = state_file::put(path, state).await {
            let error = error.to_string();
            tracing::error!(error, "The state of aggregation cannot be saved.");
        }
    }
}

impl Gate {
    /// The receiver, if it is what this path leads to.
    pub(super) fn received_at(&self, path: &str) -> Option<&Received> {
        self.received.as_ref().filter(|received| received.receiver.is_at(path))
    }

    /// Answer a request to the receiver.
    pub(super) async fn receive(
        &self,
        received: &Received,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let mut response =
            match admit::admit(&self.web, &self.metrics, false, request.headers()).await {
                Ok(()) => {
                    // Boxed, so that not every task that may come here is as large.
                    let taken: Pin<Box<dyn Future<Output = Response<Body>> + Send + '_>> =
                        Box::pin(received.receiver.handle(request));
                    taken.await
                }
                Err(problem) => answer(&problem),
            };
        self.web.decorate(response.headers_mut());
        self.metrics.http_request(LABEL, response.status().as_u16());
        response
    }
}
