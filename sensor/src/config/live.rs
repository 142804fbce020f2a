//! What of the settings can change while the sensor runs.

use super::Config;

impl Config {
    /// The keys that differ in `new` and are read at the start only.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let Self {
            node,
            cluster,
            outputs,
            ebpf,
            runtimes,
            pipeline,
            metrics,
            watch_config_files: _,
            // Taken over at once.
            rules_files: _,
            rules: _,
            rule_matching: _,
            priority: _,
            append_output: _,
            repetition: _,
            path: _,
        } = self;
        let keys = [
            ("node", *node != new.node),
            ("cluster", *cluster != new.cluster),
            ("outputs", *outputs != new.outputs),
            ("ebpf", *ebpf != new.ebpf),
            ("runtimes", *runtimes != new.runtimes),
            ("pipeline", *pipeline != new.pipeline),
            ("metrics", *metrics != new.metrics),
        ];
        keys.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }

    /// Takes over what may change; the rest stays as it was at the start.
    pub fn take_live(&mut self, new: Self) {
        let Self {
            rules_files,
            rules,
            rule_matching,
            priority,
            append_output,
            repetition,
            watch_config_files,
            ..
        } = new;
        self.rules_files = rules_files;
        self.rules = rules;
        self.rule_matching = rule_matching;
        self.priority = priority;
        self.append_output = append_output;
        self.repetition = repetition;
        self.watch_config_files = watch_config_files;
    }
}
