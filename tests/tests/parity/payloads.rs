//! Payloads of events with drawn fields: every enum value, absent and present options, large numbers, odd words.
//!
//! Numbers stay below 2^53, which is what a page can count to.

use llmctl_proto::config::{BudgetPeriod, BudgetScope, LimitKind};
use llmctl_proto::event::*;
use llmctl_proto::ids::OperationId;
use llmctl_proto::ledger::{Drift, LedgerRow};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::task::{Body, Card, FileStat, Lane, ProblemKind, RawTask, Salvage, Task, hash_of};
use llmctl_proto::time::UnixMs;
use llmctl_proto::usage::{Usage, UsageSource};

use crate::events::{BEGIN_MS, Events};

fn budget() -> BudgetStatus {
    BudgetStatus {
        scope: BudgetScope::Model,
        name: Some("gpt-5".into()),
        period: BudgetPeriod::Day,
        kind: LimitKind::Hard,
        limit_nano_usd: 10_000_000_000,
        spent_nano_usd: 9_800_000_000,
        reserved_nano_usd: 1,
        used_percent: 98,
        threshold_percent: 80,
        policy: "production".into(),
        timezone: "UTC".into(),
        setting: String::new(),
        resets_at: Some(UnixMs(BEGIN_MS)),
    }
}

impl Events {
    pub(crate) fn word(&mut self) -> String {
        self.random
            .pick(&[
                "Bash",
                "opus",
                "claude-code",
                "",
                "naïve ☃ 😀",
                "a\"b\\c\n\u{7}",
                "__proto__",
                "constructor",
            ])
            .to_owned()
    }

    pub(crate) fn word_or_none(&mut self) -> Option<String> {
        let word = self.word();
        self.random.maybe(|_| word)
    }

    fn spend(&mut self) -> Spend {
        let random = &mut self.random;
        let mut tokens = || random.below(1 << 24);
        let tokens = Usage {
            input: tokens(),
            cache_read: tokens(),
            cache_write_5m: tokens(),
            cache_write_1h: tokens(),
            output: tokens(),
            reasoning: tokens(),
            web_searches: tokens(),
        };
        let sources =
            [UsageSource::None, UsageSource::Estimated, UsageSource::Partial, UsageSource::Reported];
        let bases = [CostBasis::Computed, CostBasis::Derived, CostBasis::Reported, CostBasis::Unknown];
        Spend {
            tokens: if random.percent(10) { Usage::default() } else { tokens },
            usage_source: random.pick(&sources),
            cost_nano_usd: random.maybe(|r| r.below(1 << 40) as i64),
            cost_basis: random.pick(&bases),
            reported_cost_nano_usd: random.maybe(|r| r.below(1 << 40) as i64),
        }
    }

    fn partial(&mut self) -> Partial {
        let (dir_name, bytes) = (self.word(), self.random.below(1 << 50));
        let files = vec![PartialFile { name: "stdout".into(), bytes }; self.random.below(3) as usize];
        Partial { dir_name, files }
    }

    fn partial_or_none(&mut self) -> Option<Partial> {
        let partial = self.partial();
        self.random.maybe(|_| partial)
    }

    fn code(&mut self) -> Option<i32> {
        self.random.maybe(|r| r.below(300) as i32 - 20)
    }

    pub(crate) fn decision(&mut self, id: &OperationId) -> RoutingDecision {
        RoutingDecision {
            operation_id: id.clone(),
            attempt: self.random.below(3) as u32,
            trigger: "submit".into(),
            requested: Requested {
                model: None,
                tool: None,
                agent: self.word_or_none(),
                task_type: self.word_or_none(),
                require: Vec::new(),
            },
            selected: None,
            fallback_used: false,
            candidates: vec![Candidate {
                tool: self.word(),
                model: None,
                provider: None,
                source: "installed".into(),
                verdict: Verdict::Standby,
                reasons: vec![Reason::new("x", self.word())],
                score: Some(7),
                parts: None,
                estimate_nano_usd: None,
                reservation_nano_usd: Some(9),
                context_window: None,
            }],
            omitted: 0,
            estimate: Estimate::default(),
            policy: self.word_or_none(),
            budgets: Vec::new(),
            decided_us: 11,
        }
    }

    pub(crate) fn selected(&mut self, id: &OperationId) -> ModelSelected {
        ModelSelected {
            operation_id: id.clone(),
            attempt: 1 + self.random.below(3) as u32,
            tool: self.word(),
            model: self.word_or_none(),
            provider: self.word_or_none(),
            reason_code: "first".into(),
            reason: self.word(),
            standby: 1,
        }
    }

    pub(crate) fn started(&mut self, id: &OperationId) -> ExecutionStarted {
        // Of one that is there, of one that has gone, now and then of itself.
        let retry_of = if self.random.percent(20) { Some(self.random.pick(&self.all)) } else { None };
        let modes = [Mode::Cli, Mode::Http, Mode::Practice];
        ExecutionStarted {
            operation_id: id.clone(),
            attempt: 1 + self.random.below(3) as u32,
            tool: self.word(),
            model: self.word_or_none(),
            provider: self.word_or_none(),
            mode: self.random.pick(&modes),
            agent: self.word_or_none(),
            task_type: self.word_or_none(),
            cwd: "/src/ü".into(),
            pid: self.random.maybe(|r| r.below(9999) as u32),
            prompt: PromptInfo { bytes: 5, sha256: "ab".into(), file: self.word_or_none() },
            command: (0..self.random.below(4)).map(|_| self.word()).collect(),
            max_cost_nano_usd: self.random.maybe(|r| r.below(1 << 50) as i64),
            reservation_nano_usd: self.random.maybe(|r| r.below(1 << 50) as i64),
            project: self.word_or_none(),
            policy: self.word_or_none(),
            task_id: self.word_or_none(),
            retry_of,
            started_at: UnixMs(self.now_ms - 3),
        }
    }

    pub(crate) fn progress(&mut self, id: &OperationId) -> ExecutionProgress {
        let states = [RunState::Running, RunState::Paused, RunState::Stopping];
        let phases = [
            Phase::Starting,
            Phase::Thinking,
            Phase::Streaming,
            Phase::Tool,
            Phase::WaitingNetwork,
            Phase::Retrying,
        ];
        ExecutionProgress {
            operation_id: id.clone(),
            state: self.random.pick(&states),
            phase: self.random.pick(&phases),
            model: self.word_or_none(),
            spend: self.spend(),
            elapsed_ms: self.random.below(1 << 45),
            idle_ms: self.random.below(1 << 20),
            stdout_bytes: self.random.below(1 << 52),
            stderr_bytes: self.random.below(1 << 20),
        }
    }

    pub(crate) fn closing(&mut self, id: &OperationId) -> Event {
        match self.random.below(5) {
            4 => self.budget_refused(id, true).into(),
            0 => self.completed(id.clone()).into(),
            1 => self.failed(id.clone()).into(),
            2 => self.stopped(id.clone()).into(),
            _ => ExecutionLost {
                operation_id: id.clone(),
                reason: "runner_gone".into(),
                last_event_at: self.random.maybe(|r| UnixMs(BEGIN_MS + r.below(99) as i64)),
                spend: self.spend(),
                stdout_bytes: self.random.below(1 << 52),
                stderr_bytes: 0,
                killed_processes: 1,
                partial: self.partial_or_none(),
            }
            .into(),
        }
    }

    pub(crate) fn cost_recorded(&mut self, id: &OperationId) -> CostRecorded {
        CostRecorded {
            operation_id: id.clone(),
            attempt: 1 + self.random.below(3) as u32,
            tool: self.word(),
            provider: self.word_or_none(),
            agent: None,
            project: self.word_or_none(),
            task_type: None,
            task_id: None,
            policy: None,
            started_at: UnixMs(BEGIN_MS),
            recorded_at: UnixMs(BEGIN_MS + 9),
            rows: vec![LedgerRow { model: self.word(), ..LedgerRow::default() }],
            cost_nano_usd: self.random.maybe(|r| r.below(1 << 50) as i64),
            drift: self
                .random
                .maybe(|_| Drift { ours_pico_usd: PicoUsd(5_000_000), theirs_pico_usd: PicoUsd(9_000_000) }),
        }
    }

    pub(crate) fn budget_refused(&mut self, id: &OperationId, refuse: bool) -> BudgetRefused {
        let others = [BudgetAction::Stop, BudgetAction::Override];
        let other = self.random.pick(&others);
        BudgetRefused {
            operation_id: id.clone(),
            budget: self.random.percent(50).then(budget),
            estimate_nano_usd: Some(7),
            reservation_nano_usd: None,
            would_be_nano_usd: Some(9),
            action: if refuse { BudgetAction::Refuse } else { other },
            overridden_reason: self.word_or_none(),
            message: self.word(),
            hints: (0..self.random.below(3)).map(|_| self.word()).collect(),
        }
    }

    /// What the daemon says of money and configuration, which no operation's state depends on.
    pub(crate) fn of_money(&mut self) -> Event {
        match self.random.below(3) {
            0 => CostUpdate { today_nano_usd: 5, budgets: vec![budget()], ..CostUpdate::default() }.into(),
            1 => CostWarning { budget: budget(), level: WarningLevel::Threshold, caused_by: None }.into(),
            _ => ConfigReloaded {
                generation: 2,
                changed: vec![self.word()],
                warnings: 0,
                errors: Vec::new(),
                applied: true,
                restart_needed: Vec::new(),
            }
            .into(),
        }
    }

    /// What is said of directories of task files.
    pub(crate) fn of_a_watcher(&mut self) -> Event {
        let project = self.word();
        match self.random.below(3) {
            0 => WatcherStarted { project, files: 7 }.into(),
            1 => WatcherStopped { project }.into(),
            _ => WatcherDegraded {
                project,
                path: "work/collaboration".to_owned(),
                reason: "watch_limit".to_owned(),
                mode: "polling".to_owned(),
                interval_ms: 2_000,
                recovered: false,
                message: self.word_or_none(),
            }
            .into(),
        }
    }

    /// What happens to task files, which no operation's state depends on.
    pub(crate) fn of_a_task(&mut self) -> Event {
        let (project, path) = (self.word(), "assigned/dev/2026-11-23T0900-dev-x.yaml".to_owned());
        let text = b"id: x\nagent: dev\nstatus: assigned\ntitle: X\n";
        let raw = RawTask {
            path: path.clone(),
            lane: Lane::Assigned,
            agent_dir: Some("dev".to_owned()),
            stat: FileStat::default(),
            hash: hash_of(text),
            body: Body::read(text),
        };
        let change = TaskChange {
            project: project.clone(),
            task_id: "x".to_owned(),
            path: path.clone(),
            lane: Lane::Assigned,
            from_task_id: None,
            from_path: None,
            from_lane: Some(Lane::Inbox),
            from_agent: None,
            from_state: None,
            changed: vec![self.word()],
            recovered: false,
            card: Card::of(Task::new(&raw), false),
            actor: self.word_or_none(),
        };
        match self.random.below(8) {
            0 => TaskCreated(change).into(),
            1 => TaskAssigned(change).into(),
            2 => TaskStarted(change).into(),
            3 => TaskCompleted { change, summary: self.word_or_none(), next_agent: None }.into(),
            4 => TaskFailed { change, error: self.word_or_none() }.into(),
            5 => TaskUpdated(change).into(),
            6 => TaskInvalid {
                project,
                task_id: self.word(),
                path,
                lane: Lane::Inbox,
                from_task_id: None,
                from_path: None,
                problem: ProblemKind::Syntax,
                line: Some(3),
                column: Some(1),
                message: self.word(),
                salvage: Salvage::default(),
            }
            .into(),
            _ => {
                let (task_id, reason) = (self.word(), RemovedReason::Deleted);
                TaskRemoved { project, task_id, path, lane: Lane::Done, reason }.into()
            }
        }
    }

    fn completed(&mut self, operation_id: OperationId) -> ExecutionCompleted {
        ExecutionCompleted {
            operation_id,
            exit_code: self.code(),
            model: self.word_or_none(),
            duration_ms: self.random.below(1 << 40),
            first_output_ms: self.random.maybe(|r| r.below(1 << 20)),
            spend: self.spend(),
            stdout_bytes: self.random.below(1 << 52),
            stderr_bytes: self.random.below(1 << 20),
            calls: self.random.below(9) as u32,
            session_id: self.word_or_none(),
            resume_command: self.word_or_none(),
        }
    }

    fn failed(&mut self, operation_id: OperationId) -> ExecutionFailed {
        ExecutionFailed {
            operation_id,
            attempt: 1,
            class: self.word(),
            message: self.word(),
            hint: self.word_or_none(),
            exit_code: self.code(),
            signal: self.code(),
            http_status: Some(529),
            retryable: self.random.percent(50),
            retry_after_ms: None,
            is_final: self.random.percent(60),
            next: None,
            model: self.word_or_none(),
            duration_ms: self.random.below(1 << 40),
            spend: self.spend(),
            stdout_bytes: self.random.below(1 << 52),
            stderr_bytes: self.random.below(1 << 20),
            partial: self.partial_or_none(),
            session_id: self.word_or_none(),
            resume_command: self.word_or_none(),
        }
    }

    fn stopped(&mut self, operation_id: OperationId) -> ExecutionStopped {
        let by = [StopBy::User, StopBy::Budget, StopBy::Timeout, StopBy::Signal];
        let via = [StopVia::Page, StopVia::Cli, StopVia::Terminal, StopVia::Api, StopVia::Runner];
        let steps = [StopStep::Interrupt, StopStep::Terminate, StopStep::Kill];
        ExecutionStopped {
            operation_id,
            by: self.random.pick(&by),
            via: self.random.pick(&via),
            reason: self.word_or_none(),
            signal: self.code(),
            step: self.random.pick(&steps),
            killed_processes: self.random.below(5) as u32,
            exit_code: self.code(),
            model: self.word_or_none(),
            duration_ms: self.random.below(1 << 40),
            spend: self.spend(),
            stdout_bytes: self.random.below(1 << 52),
            stderr_bytes: self.random.below(1 << 20),
            partial: self.partial(),
            session_id: self.word_or_none(),
            resume_command: self.word_or_none(),
        }
    }
}
