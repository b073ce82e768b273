//! Layers: who wins, who said what, and what a project may not do.

use super::*;

fn text(loaded: &Loaded, path: &str) -> Option<(String, String, Vec<String>)> {
    let path = KeyPath::parse(path).expect(path);
    let shown = loaded.show(&path)?.into_iter().next()?;
    let under = shown.overridden.iter().map(|old| format!("{} {}", old.value, old.origin.short())).collect();
    Some((shown.value, format!("{} {}", shown.origin.layer.word(), shown.origin.short()), under))
}

#[test]
fn later_layers_win_and_earlier_ones_are_remembered() {
    let mut sources = sources(vec![
        file(
            Layer::User,
            "p.yaml",
            "policies:\n  default:\n    daily_budget_usd: 20.00\n    timezone: Europe/Berlin\n",
        ),
        file(Layer::Project, "p.yaml", "policies:\n  default:\n    daily_budget_usd: 10.00\n"),
    ]);
    sources.env = vec![
        ("LLMCTL_POLICIES__DEFAULT__DAILY_BUDGET_USD".into(), "5.00".into()),
        ("LLMCTL_DAEMON__HTTP__ALLOWED_HOSTS".into(), "a.example, b.example".into()),
        ("LLMCTL_DEFAULT_POLICY".into(), "default".into()),
        ("LLMCTL_STATE_DIR".into(), "/x".into()),
        ("LLMCTL_ROUTING__ESTIMATE".into(), String::new()),
    ];
    sources.set = vec!["daemon.http.port=9090".into(), "tasks.wip={per_agent: 2}".into()];
    let loaded = load(&sources);
    assert_eq!(loaded.diagnostics, []);
    let (value, from, under) = text(&loaded, "policies.default.daily_budget_usd").expect("there");
    assert_eq!((value.as_str(), from.as_str()), ("5.00", "env LLMCTL_POLICIES__DEFAULT__DAILY_BUDGET_USD"));
    assert_eq!(under, ["10.00 config/p.yaml:3", "20.00 ~/.config/llmctl/p.yaml:3"]);
    let budget = &loaded.config.policies["default"].budgets[0];
    assert_eq!((budget.limit.to_string().as_str(), budget.timezone.as_str()), ("$5.00", "Europe/Berlin"));
    assert_eq!(loaded.config.daemon.http.port, Some(9090));
    assert_eq!(loaded.config.daemon.http.allowed_hosts, ["a.example", "b.example"]);
    assert_eq!(loaded.tree.at_path(&["tasks", "wip", "per_agent"]).and_then(Node::integer), Some(2));
    assert_eq!(text(&loaded, "daemon.http.host").expect("default").0, "127.0.0.1");
    assert!(text(&loaded, "daemon.nothing").is_none());
}

#[test]
fn variables_find_names_with_dashes_and_dots() {
    let models = "models:\n  claude-3.5-sonnet: {provider: anthropic, context_window: 9, cost_per_1k_tokens: {input: 1, output: 1}}\n";
    let mut sources = sources(vec![file(Layer::User, "m.yaml", models)]);
    sources.env = vec![("LLMCTL_MODELS__CLAUDE_3_5_SONNET__CONTEXT_WINDOW".into(), "7".into())];
    sources.set = vec!["models.\"claude-3.5-sonnet\".note=x".into()];
    let loaded = load(&sources);
    assert_eq!(loaded.config.models.len(), 1);
    let model = &loaded.config.models["claude-3.5-sonnet"];
    assert_eq!((model.context_window, model.note.as_deref()), (Some(7), Some("x")));
}

#[test]
fn mistakes_in_variables_and_flags_name_them() {
    for (name, value, part) in [
        ("LLMCTL_DAEMON__HTTP__PORT", "x", "--> LLMCTL_DAEMON__HTTP__PORT"),
        ("LLMCTL_DEAMON__HTTP__PORT", "1", "did you mean `daemon`?"),
        ("LLMCTL_DAEMON__HTP__PORT", "1", "did you mean `http`?"),
        ("LLMCTL_TASKS__LANES", "[", "LLMCTL_TASKS__LANES"),
    ] {
        let mut sources = sources(Vec::new());
        sources.env = vec![(name.into(), value.into())];
        let loaded = load(&sources);
        let report = loaded.report(Severity::Information);
        assert!(report.contains(part) && report.contains("1 error"), "{report}");
    }
    let mut sources = sources(Vec::new());
    sources.set = vec!["policies.default.dayly_budget_usd=1".into()];
    assert!(load(&sources).refusal().is_some());
    assert!(split_setting("daemon.http.port").is_err() && split_setting("=x").is_err());
}

#[test]
fn files_of_a_directory_are_one_document() {
    let loaded = load(&sources(vec![
        file(
            Layer::Project,
            "a.yaml",
            "tools:\n  one: {binary: a, command_template: '{binary}', models: [x]}\ndaemon: {log_level: warn}\n",
        ),
        file(
            Layer::Project,
            "b.yaml",
            "tools:\n  two: {binary: a, command_template: '{binary}', models: [x]}\ndaemon: {idle_exit_s: 5}\n",
        ),
    ]));
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(loaded.config.tools.len(), 2);
    assert_eq!((loaded.config.daemon.log_level.as_str(), loaded.config.daemon.idle_exit_s), ("warn", 5));
    let loaded = load(&sources(vec![
        file(Layer::Project, "a.yaml", "policies:\n  p: {daily_budget_usd: 1}\n"),
        file(Layer::Project, "b.yaml", "policies:\n  p: {daily_budget_usd: 2}\n"),
    ]));
    let finding = loaded.diagnostics.iter().find(|f| f.code == Code::DuplicateDefinition).expect("found");
    assert!(finding.message.contains("config/a.yaml:2"), "{finding}");
    assert_eq!(finding.origin.as_ref().expect("origin").to_string(), "config/b.yaml:2:3");
    assert!(loaded.refusal().is_some());
}

#[test]
fn null_deletes() {
    let loaded = load(&sources(vec![
        file(
            Layer::User,
            "a.yaml",
            "tools:\n  one: {binary: a, command_template: '{binary}', models: [x]}\npolicies:\n  p: {monthly_budget_usd: 5}\n",
        ),
        file(
            Layer::Project,
            "a.yaml",
            "tools: {one: null}\npolicies:\n  p: {monthly_budget_usd: null, daily_budget_usd: null}\n",
        ),
    ]));
    assert!(loaded.config.tools.is_empty());
    assert_eq!(loaded.config.policies["p"].budgets, []);
    let default = load(&sources(vec![file(Layer::User, "a.yaml", "policies:\n  p: {}\n")]));
    assert_eq!(default.config.policies["p"].budgets[0].limit.to_string(), "$10.00");
    assert_eq!(default.config.policies["p"].budgets[0].setting, "policies.p.daily_budget_usd (default)");
}

#[test]
fn an_inert_project_is_not_there() {
    let mut sources = sources(vec![file(Layer::Project, "a.yaml", "tools: [\n")]);
    for (trust, part) in [
        (Trust::New, "config trust"),
        (Trust::Changed, "has changed"),
        (Trust::NotOurs("it belongs to user 7".into()), "user 7"),
    ] {
        sources.project = Some(Project { dir: "/p/config".into(), root: "/p".into(), trust });
        let loaded = load(&sources);
        assert!(loaded.refusal().is_none() && loaded.files == 0, "{:?}", loaded.diagnostics);
        assert!(loaded.notice().is_some_and(|line| line.contains(part) && !line.contains('\n')));
    }
}

const HARD: &str = "policies:\n  default:\n    daily_budget_usd: 10\n    limit: {type: hard}\n  easy: {daily_budget_usd: 90}\n";

#[test]
fn a_project_lowers_a_hard_budget_and_never_raises_it() {
    let with = |project: &str| {
        load(&sources(vec![file(Layer::User, "a.yaml", HARD), file(Layer::Project, "b.yaml", project)]))
    };
    let day = |loaded: &Loaded, policy: &str| {
        let hard = |b: &&Budget| b.kind == LimitKind::Hard && b.period == BudgetPeriod::Day;
        loaded.config.policies[policy].budgets.iter().filter(hard).map(|b| b.limit.to_string()).min()
    };
    let lower = with("policies:\n  default: {daily_budget_usd: 3}\n");
    assert_eq!(day(&lower, "default").as_deref(), Some("$3.00"));
    assert_eq!(lower.diagnostics, []);
    for (project, policy) in [
        ("policies:\n  default: {daily_budget_usd: 30}\n", "default"),
        ("policies:\n  default: {daily_budget_usd: null}\n", "default"),
        ("policies:\n  default: {limit: {type: soft}}\n", "default"),
        ("policies:\n  default: null\n", "default"),
        ("policies: null\n", "default"),
        ("policies:\n  default: {timezone: Pacific/Auckland}\n", "default"),
        ("default_policy: easy\n", "easy"),
        ("default_policy: own\npolicies:\n  own: {daily_budget_usd: 50}\n", "own"),
        ("agents:\n  a: {preferred_tool: codex, preferred_model: gpt-4o, policy: easy}\n", "easy"),
    ] {
        let loaded = with(project);
        assert_eq!(day(&loaded, policy).as_deref(), Some("$10.00"), "{project}");
        let kept = loaded.config.policies[policy].budgets.iter().find(|b| b.kind == LimitKind::Hard);
        assert!(kept.is_some_and(|b| b.setting.contains("~/.config/llmctl/a.yaml:3") && b.policy == policy));
    }
    // Who runs it may raise it: a variable is the user's own word.
    let mut raised =
        sources(vec![file(Layer::User, "a.yaml", HARD), file(Layer::Project, "b.yaml", "tools: {}\n")]);
    raised.env = vec![("LLMCTL_POLICIES__DEFAULT__DAILY_BUDGET_USD".into(), "30".into())];
    assert_eq!(day(&load(&raised), "default").as_deref(), Some("$30.00"));
}
