//! What a reload changes: who may push what, and within which bounds.

use crate::app::gate::ReloadReply;
use crate::app::gate::tell_bad;
use crate::app::push::PushOptions;
use crate::app::push::PushProxy;
use crate::app::push::identity::Identities;
use crate::app::push::schema;
use crate::config::file::push::Policy;
use crate::config::file::push::PushConfig;
use crate::push::LabelNames;
use crate::push::store::StoreLimits;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The configuration in force, and what is made of it. A push keeps the one it began with.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) config: PushConfig,
    pub(super) identities: Identities,
}

impl Live {
    /// # Errors
    ///
    /// Files that cannot be read, and settings that do not go together; a line each.
    pub(super) fn new(
        mut config: PushConfig,
        options: &PushOptions,
        old: Option<&Self>,
    ) -> Result<Self, Vec<String>> {
        let learn = |policy: &mut Policy| schema::learn(policy, options.random).err();
        let errors: Vec<_> = config.policies.iter_mut().filter_map(learn).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        if config.forward.is_some() && config.policies.iter().any(|p| p.aggregate.is_some()) {
            let line = "push.policies: aggregate needs weir to be the store, remove push.forward";
            return Err(vec![line.to_owned()]);
        }
        if config.in_metrics && !config.forward.as_ref().is_none_or(|f| f.fallback_to_store) {
            let line = "push.in_metrics: weir stores nothing, remove it or push.forward";
            return Err(vec![line.to_owned()]);
        }
        let old = old.map(|old| &old.identities);
        let identities = Identities::new(&config.identities, options.random, old)?;
        Ok(Self { config, identities })
    }

    pub(super) fn store_limits(&self) -> StoreLimits {
        let limits = &self.config.limits;
        StoreLimits {
            group_series_max: limits.group_series_max,
            series_max: limits.series_max,
            groups_max: limits.groups_max,
        }
    }

    pub(super) fn names(&self) -> LabelNames {
        if self.config.utf8_names { LabelNames::Utf8 } else { LabelNames::Legacy }
    }
}

impl PushProxy {
    /// What is in force now.
    pub(super) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Take over a new configuration, but for what needs a restart. Files are read.
    ///
    /// # Errors
    ///
    /// As when it begins; then everything stays as it is.
    pub(in crate::app) fn reload(&self, config: PushConfig) -> Result<(), Vec<String>> {
        let old = self.live();
        let kept = old.config.clone();
        let config = PushConfig {
            listen: kept.listen,
            utf8_names: kept.utf8_names,
            forward: kept.forward,
            in_metrics: kept.in_metrics,
            ..config
        };
        let live = Live::new(config, &self.options, Some(&old))?;
        self.store().set_limits(live.store_limits());
        self.live.store(Arc::new(live));
        Ok(())
    }

    /// Answer requests for a reload, if anybody carries them out.
    pub(super) fn answer_reloads(&self, reloader: Option<mpsc::Sender<ReloadReply>>) {
        self.reloader.store(reloader.map(Arc::new));
    }

    /// Count and tell that the configuration was read again.
    pub(super) fn tell_reload(&self, outcome: &Result<(), Vec<String>>) {
        self.metrics.reloaded(outcome.is_ok());
        match outcome {
            Ok(()) => tracing::info!("Reloaded the configuration."),
            Err(errors) => tell_bad(errors),
        }
    }
}
