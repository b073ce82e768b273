//! The command line of `llmctl task`. The flags of list, start, complete and freeze are those of the task scripts
//! that teams have, so that one can stand in for the other.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `llmctl task`.
#[derive(Debug, Args)]
pub struct TaskArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: TaskVerb,
    /// The directory with inbox, assigned and done, instead of the project's.
    #[arg(long, global = true, value_name = "DIR", env = "LLMCTL_TASKS")]
    pub root: Option<PathBuf>,
}

/// Verbs on tasks. An ID is a task's id, the name of its file, a unique beginning of one of these, or a path.
#[derive(Debug, Subcommand)]
pub enum TaskVerb {
    /// Lists open tasks, the most urgent first.
    #[command(alias = "ls")]
    List(List),
    /// Shows everything of a task, and where each derived value comes from.
    Show {
        /// Task.
        id: String,
        /// The file as it is.
        #[arg(long)]
        raw: bool,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Writes a new task into the inbox, or straight to an agent.
    New(New),
    /// Gives a task to an agent.
    Assign {
        /// Task.
        id: String,
        /// Agent.
        agent: String,
        /// How it is done.
        #[command(flatten)]
        how: How,
    },
    /// Takes a task from the inbox; without an ID the most urgent that waits for nothing. Of several who try, one
    /// gets it.
    Claim {
        /// Task.
        id: Option<String>,
        /// Who takes it.
        #[arg(short, long, env = "LLMCTL_AGENT")]
        agent: String,
        /// Without an ID: tasks meant for other agents, too.
        #[arg(long, conflicts_with = "id")]
        any: bool,
        /// How it is done.
        #[command(flatten)]
        how: How,
    },
    /// Says which task can be begun next, and what the urgent ones wait for.
    Next {
        /// Only tasks of this agent, or of nobody.
        #[arg(short, long, env = "LLMCTL_AGENT")]
        agent: Option<String>,
        /// How many.
        #[arg(short = 'n', long, default_value_t = 1)]
        count: usize,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Begins work.
    Start(Simple),
    /// Work cannot go on.
    Block(Reasoned),
    /// Work goes on.
    Unblock(Simple),
    /// Puts work down; the task stays with its agent.
    Pause(Simple),
    /// Gives an assigned task back to the inbox.
    Release(Simple),
    /// It is done: needs a `result` in the file, a summary, or --force.
    Complete {
        /// Task.
        id: String,
        /// Summary of the result.
        #[arg(short, long)]
        summary: Option<String>,
        /// A file it made; may be given several times.
        #[arg(short, long = "artefact", alias = "artifact", value_name = "PATH")]
        artefacts: Vec<String>,
        /// How it is done.
        #[command(flatten)]
        how: How,
    },
    /// It failed.
    Fail {
        /// Task.
        id: String,
        /// What went wrong.
        #[arg(short, long)]
        message: String,
        /// How it is done.
        #[command(flatten)]
        how: How,
    },
    /// It is given up.
    Cancel(Reasoned),
    /// It is to be done again.
    Reopen {
        /// Task.
        id: String,
        /// Back to the inbox, not to its agent.
        #[arg(long)]
        inbox: bool,
        /// How it is done.
        #[command(flatten)]
        how: How,
    },
    /// Puts it into the fridge; its status stays.
    Freeze(Reasoned),
    /// Takes it out of the fridge.
    Thaw(Simple),
    /// Moves a finished task, or all that are older, into the archive.
    Archive {
        /// Task.
        #[arg(required_unless_present = "older_than")]
        id: Option<String>,
        /// All that were finished so long ago: 30d, 12h.
        #[arg(long, value_name = "TIME", value_parser = crate::cli::parse_duration, conflicts_with = "id")]
        older_than: Option<std::time::Duration>,
        /// How it is done.
        #[command(flatten)]
        how: How,
    },
    /// Gives it another priority: critical, high, medium, normal or low.
    Priority {
        /// Task.
        id: String,
        /// Priority.
        priority: String,
        /// How it is done.
        #[command(flatten)]
        how: How,
    },
    /// Gives one top-level key a value, in one line.
    Set {
        /// Task.
        id: String,
        /// Key and value.
        #[arg(value_name = "KEY=VALUE")]
        pair: String,
        /// How it is done.
        #[command(flatten)]
        how: How,
    },
    /// Adds a remark to `notes`.
    Note {
        /// Task.
        id: String,
        /// Text.
        text: String,
        /// How it is done.
        #[command(flatten)]
        how: How,
    },
    /// Runs a task with its agent: the card is in progress while the operation runs, and says afterwards what came
    /// of it.
    Run(Box<RunTask>),
    /// Works through an agent's tasks, the most urgent first, one after the other.
    Work(Box<WorkTasks>),
    /// Lists what is wrong with task files, with path, line and remedy.
    Lint {
        /// Only these kinds.
        #[arg(long, value_name = "KIND")]
        kind: Vec<String>,
        /// Only this task.
        id: Option<String>,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Says what git knows of a task's file, in all places it had.
    History {
        /// Task.
        id: String,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Shows what waits for what.
    Graph {
        /// Only this task and what it waits for.
        id: Option<String>,
        /// How it is drawn.
        #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
        format: GraphFormat,
        /// Finished tasks, too.
        #[arg(long)]
        all: bool,
    },
}

/// `llmctl task run`.
#[derive(Debug, Args)]
pub struct RunTask {
    /// Task.
    pub id: String,
    /// Who takes it, when it is still in the inbox and names nobody.
    #[arg(short, long, env = "LLMCTL_AGENT")]
    pub agent: Option<String>,
    /// How it is run.
    #[command(flatten)]
    pub how: RunHow,
    /// Only if the file still has this version.
    #[arg(long)]
    pub rev: Option<String>,
    /// Returns once the operation has begun or is queued, and prints its id; the card gets its end all the same.
    #[arg(short, long, conflicts_with = "dry_run")]
    pub detach: bool,
    /// With --detach: prints the id as JSON.
    #[arg(long, requires = "detach")]
    pub json: bool,
    /// Prints what the agent would be told, and runs nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `llmctl task work`.
#[derive(Debug, Args)]
pub struct WorkTasks {
    /// Whose tasks.
    #[arg(short, long, env = "LLMCTL_AGENT")]
    pub agent: String,
    /// At most so many tasks.
    #[arg(long, value_name = "N")]
    pub max: Option<usize>,
    /// How each is run.
    #[command(flatten)]
    pub how: RunHow,
}

/// How a task is run.
#[derive(Debug, Clone, Args)]
pub struct RunHow {
    /// `auto`, a model, or TOOL:MODEL.
    #[arg(short, long, default_value = "auto", env = "LLMCTL_MODEL")]
    pub model: String,
    /// A tool, provider or local server by name.
    #[arg(short, long)]
    pub tool: Option<String>,
    /// Stops, with the partial result, when this much is spent on a task: US dollars, such as 0.50.
    #[arg(long, value_name = "USD", value_parser = super::values::parse_usd)]
    pub max_cost: Option<i64>,
    /// Stops, with the partial result, after this time for a task: 90s, 10m, 2h.
    #[arg(long, value_name = "TIME", value_parser = crate::cli::parse_duration)]
    pub timeout: Option<std::time::Duration>,
    /// Policy with the budgets and rules to run under.
    #[arg(long, env = "LLMCTL_POLICY")]
    pub policy: Option<String>,
    /// Why it is worth its price; kept with the operation.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Asks nothing: soft budgets only warn.
    #[arg(short, long)]
    pub yes: bool,
    /// Nothing on standard error but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// Runs without the daemon.
    #[arg(long)]
    pub no_daemon: bool,
}

/// `llmctl task list`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct List {
    /// A state or a status word: new, assigned, in_progress, blocked, done, error, cancelled.
    #[arg(short, long)]
    pub status: Option<String>,
    /// Agent.
    #[arg(short, long)]
    pub agent: Option<String>,
    /// Priority.
    #[arg(short, long)]
    pub priority: Option<String>,
    /// inbox, assigned, done, archive or fridge.
    #[arg(short, long)]
    pub lane: Option<String>,
    /// Only tasks whose status does not fit their directory.
    #[arg(long)]
    pub drift: bool,
    /// Only tasks with problems.
    #[arg(long)]
    pub problems: bool,
    /// Done, archive and fridge, too.
    #[arg(long)]
    pub all: bool,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
    /// The same as --format json.
    #[arg(long)]
    pub json: bool,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// A table.
    Table,
    /// An array of cards.
    Json,
}

/// How a graph is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Indented lines.
    Text,
    /// Nodes and edges.
    Json,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
}

/// `llmctl task new`.
#[derive(Debug, Args)]
pub struct New {
    /// Title; by default that of the template.
    #[arg(short, long, required_unless_present_any = ["template", "edit"])]
    pub title: Option<String>,
    /// Agent it is for.
    #[arg(short, long)]
    pub agent: Option<String>,
    /// Priority; by default that of the template, else medium.
    #[arg(short, long)]
    pub priority: Option<String>,
    /// Begins with this task file: a path, or a name in `templates` beside the lanes.
    #[arg(short = 'T', long, value_name = "NAME")]
    pub template: Option<String>,
    /// Opens the new task in $VISUAL or $EDITOR before it is written.
    #[arg(short, long)]
    pub edit: bool,
    /// File with the description; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    pub description_file: Option<String>,
    /// Straight to the agent.
    #[arg(long, requires = "agent")]
    pub assign: bool,
    /// Prints the card as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A verb that needs no more than a task.
#[derive(Debug, Args)]
pub struct Simple {
    /// Task.
    pub id: String,
    /// How it is done.
    #[command(flatten)]
    pub how: How,
}

/// A verb with a reason.
#[derive(Debug, Args)]
pub struct Reasoned {
    /// Task.
    pub id: String,
    /// Why.
    #[arg(short, long)]
    pub reason: String,
    /// Only if the file still has this version.
    #[arg(long)]
    pub rev: Option<String>,
    /// Against the table of moves; the reason is kept.
    #[arg(long)]
    pub force: bool,
    /// Prints the card after the change as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Flags of every change.
#[derive(Debug, Clone, Default, Args)]
pub struct How {
    /// Only if the file still has this version.
    #[arg(long)]
    pub rev: Option<String>,
    /// Against the table of moves.
    #[arg(long)]
    pub force: bool,
    /// Why it is forced; kept in the task's notes.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Prints the card after the change as JSON.
    #[arg(long)]
    pub json: bool,
}
