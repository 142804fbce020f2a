//! Rhai as playbooks get it: our verbs, and limits on everything.

use std::{
    cell::Cell,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rhai::{
    AST, CallFnOptions, Dynamic, Engine, EvalAltResult, INT, Map, NativeCallContext,
    OptimizationLevel, Position, Scope,
    packages::{
        BasicArrayPackage, BasicMapPackage, BasicMathPackage, CorePackage, LogicPackage,
        MoreStringPackage, Package as _,
    },
};

use super::{
    lint::{Functions, WITHDRAWN},
    recorder::Recorder,
    verbs,
    views::{self, AlertView},
};

const OPERATIONS_MAX: u64 = 50_000;

/// The operations are bounded, but one on a long text costs more than one on a
/// number. Far above what an honest playbook takes on a busy machine.
const RUN_TIME_MAX: Duration = Duration::from_secs(1);

thread_local! {
    /// When the script that runs on this thread has to be done.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The playbook language. One for all playbooks: running leaves nothing behind in it.
pub(super) struct Language {
    engine: Engine,
    pub(super) functions: Functions,
    /// Where `playbook(...)` leaves its argument while a head is read.
    head: std::sync::Arc<Mutex<Option<Map>>>,
    /// One head at a time.
    reading: Mutex<()>,
}

impl Language {
    pub(super) fn new() -> Self {
        let mut engine = Engine::new_raw();
        CorePackage::new().register_into_engine(&mut engine);
        LogicPackage::new().register_into_engine(&mut engine);
        BasicMathPackage::new().register_into_engine(&mut engine);
        BasicArrayPackage::new().register_into_engine(&mut engine);
        BasicMapPackage::new().register_into_engine(&mut engine);
        MoreStringPackage::new().register_into_engine(&mut engine);
        set_limits(&mut engine);
        withdraw(&mut engine);
        views::register(&mut engine);
        verbs::register(&mut engine);

        let head = std::sync::Arc::new(Mutex::new(None));
        let slot = head.clone();
        engine.register_fn("playbook", move |context: NativeCallContext, map: Map| {
            // Constants at the top are evaluated before each run, and the head with them.
            if Recorder::of(&context).is_ok() {
                return Ok(());
            }
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.replace(map).is_some() {
                return Err(Box::<EvalAltResult>::from("a second playbook(...) in one file"));
            }
            Ok(())
        });
        let functions = Functions::of(&engine);
        Self { engine, functions, head, reading: Mutex::new(()) }
    }

    pub(super) fn compile(&self, text: &str) -> Result<AST, rhai::ParseError> {
        self.engine.compile(text)
    }

    /// Runs what stands outside of functions, and gives what `playbook` was called with.
    pub(super) fn head(&self, ast: &AST) -> Result<Option<Map>, Box<EvalAltResult>> {
        let _one_at_a_time = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let take = || self.head.lock().unwrap_or_else(PoisonError::into_inner).take();
        take();
        within_deadline(|| self.engine.run_ast(ast))?;
        Ok(take())
    }

    /// Calls `respond(alert)`; the steps are in `recorder` afterwards.
    pub(super) fn respond(
        &self,
        ast: &AST,
        alert: AlertView,
        recorder: Recorder,
    ) -> Result<(), Box<EvalAltResult>> {
        let options = CallFnOptions::new().with_tag(recorder);
        let mut scope = Scope::new();
        within_deadline(|| {
            self.engine
                .call_fn_with_options::<Dynamic>(options, &mut scope, ast, "respond", (alert,))
                .map(drop)
        })
    }
}

fn within_deadline<T>(run: impl FnOnce() -> T) -> T {
    DEADLINE.set(Some(Instant::now() + RUN_TIME_MAX));
    let result = run();
    DEADLINE.set(None);
    result
}

fn set_limits(engine: &mut Engine) {
    engine
        .set_max_operations(OPERATIONS_MAX)
        .set_max_call_levels(16)
        .set_max_expr_depths(48, 32)
        .set_max_string_size(64 << 10)
        .set_max_array_size(2048)
        .set_max_map_size(512)
        .set_max_variables(256)
        .set_max_functions(128)
        .set_max_modules(0)
        .set_strict_variables(true)
        // Positions in the head are looked up in the tree as it was written.
        .set_optimization_level(OptimizationLevel::None)
        .disable_symbol("eval")
        .disable_symbol("import")
        .disable_symbol("export");
    engine.on_progress(|_| {
        let late = DEADLINE.get().is_some_and(|deadline| Instant::now() > deadline);
        late.then_some(Dynamic::UNIT)
    });
}

/// For a call through a function pointer, which cannot be seen before it runs.
fn withdraw(engine: &mut Engine) {
    for name in WITHDRAWN {
        let refuse = move || -> Result<(), Box<EvalAltResult>> {
            Err(EvalAltResult::ErrorRuntime(
                format!("`{name}` is not offered: a plan is made at once").into(),
                Position::NONE,
            )
            .into())
        };
        engine
            .register_fn(name, move |_: INT| refuse())
            .register_fn(name, move |_: rhai::FLOAT| refuse());
    }
}
