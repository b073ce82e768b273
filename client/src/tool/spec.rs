//! The tools this version knows: their commands, what they can tell, how they are stopped.
//!
//! A command is a list of words, never a line for a shell. Nothing here looks for a program or starts one.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use llmctl_proto::process::StopPlan;

use super::Parser;

/// What a tool says while it runs; shown to people, so that "0 tokens so far" is honest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// The answer comes in pieces.
    pub live_text: bool,
    /// Tokens come before the end.
    pub live_usage: bool,
    /// It names a cost of its own.
    pub cost: bool,
    /// Interrupted, it still writes its closing frame.
    pub graceful_stop: bool,
}

/// One tool.
#[derive(Debug, PartialEq, Eq)]
pub struct ToolSpec {
    /// Name in the configuration and in every display.
    pub name: &'static str,
    /// Names of its program, to be looked for in this order.
    pub binaries: &'static [&'static str],
    /// What it can tell.
    pub capabilities: Capabilities,
    /// How it is stopped.
    pub stop: StopPlan,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Claude,
    Codex,
    Gemini,
    Opencode,
}

/// What an operation wants from a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchRequest {
    /// The program, found and checked.
    pub binary: PathBuf,
    /// Model, as the tool names it; none: the tool's own default.
    pub model: Option<String>,
    /// Operation, for the child's environment.
    pub operation_id: String,
    /// A fresh UUID, for tools that let us name their session.
    pub session_uuid: String,
    /// Working directory.
    pub cwd: PathBuf,
    /// The user's own words, appended.
    pub extra_args: Vec<String>,
}

/// How a child is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Added to the user's environment.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub cwd: PathBuf,
    /// How the prompt gets there.
    pub prompt: PromptVia,
    /// Standard output is also copied to this file.
    pub copy_stdout_to: Option<PathBuf>,
    /// After exit 0 the answer is this file's content, and it must be there and not be empty.
    pub answer_file: Option<PathBuf>,
    /// What the user should know before the start.
    pub warnings: Vec<String>,
}

/// How a prompt gets to a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptVia {
    /// Written to standard input, which is then closed: a tool may wait for the end of the file.
    Stdin,
    /// This file, which holds the prompt, is opened as standard input.
    StdinFile(PathBuf),
    /// It is among the arguments, by text or by file; standard input is empty.
    Arguments,
}

/// Name of the environment variable that tells a tool's children which operation they belong to.
pub const OPERATION_ENV: &str = "LLMCTL_OPERATION_ID";

const fn seconds(interrupt: u64, terminate: u64) -> StopPlan {
    StopPlan {
        interrupt_grace: Duration::from_secs(interrupt),
        terminate_grace: Duration::from_secs(terminate),
    }
}

const NOTHING: Capabilities =
    Capabilities { live_text: false, live_usage: false, cost: false, graceful_stop: false };

/// Every tool with an adapter of its own.
static TOOLS: [ToolSpec; 4] = [
    ToolSpec {
        name: "claude-code",
        binaries: &["claude"],
        capabilities: Capabilities { live_text: true, live_usage: true, cost: true, graceful_stop: true },
        stop: seconds(5, 3),
        kind: Kind::Claude,
    },
    ToolSpec {
        name: "codex",
        binaries: &["codex"],
        capabilities: NOTHING,
        stop: seconds(2, 2),
        kind: Kind::Codex,
    },
    ToolSpec {
        name: "gemini",
        binaries: &["gemini"],
        capabilities: Capabilities { live_text: true, ..NOTHING },
        stop: seconds(3, 2),
        kind: Kind::Gemini,
    },
    ToolSpec {
        name: "opencode",
        binaries: &["opencode"],
        capabilities: Capabilities { live_usage: true, cost: true, ..NOTHING },
        stop: seconds(3, 2),
        kind: Kind::Opencode,
    },
];

impl ToolSpec {
    /// Every known tool.
    pub fn all() -> &'static [Self] {
        &TOOLS
    }

    /// Finds a tool by name.
    pub fn find(name: &str) -> Option<&'static Self> {
        TOOLS.iter().find(|tool| tool.name == name)
    }

    /// What a program run by a template can tell: text as it comes, and nothing else.
    pub const fn template_capabilities() -> Capabilities {
        Capabilities { live_text: true, ..NOTHING }
    }

    /// How a program run by a template is stopped.
    pub const fn template_stop() -> StopPlan {
        seconds(3, 2)
    }

    /// Makes the parser of one run.
    pub fn parser(&self) -> Parser {
        match self.kind {
            Kind::Claude => Parser::Claude(Box::default()),
            Kind::Codex => Parser::Codex(Box::default()),
            Kind::Gemini => Parser::Gemini(Box::default()),
            Kind::Opencode => Parser::Opencode(Box::default()),
        }
    }

    /// Builds the command of a run; the prompt goes by standard input.
    pub fn command(&self, request: &LaunchRequest) -> Launch {
        let mut words: Vec<&str> = match self.kind {
            Kind::Claude => {
                vec!["-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages"]
            }
            Kind::Codex => vec!["exec", "--json", "--skip-git-repo-check"],
            Kind::Gemini => vec!["-o", "stream-json"],
            Kind::Opencode => vec!["run", "--format", "json"],
        };
        if self.kind == Kind::Claude {
            words.extend(["--session-id", &request.session_uuid]);
        }
        if let Some(model) = &request.model {
            words.extend([if self.kind == Kind::Claude { "--model" } else { "-m" }, model]);
        }
        words.extend(request.extra_args.iter().map(String::as_str));
        if self.kind == Kind::Codex {
            // Says that the prompt is on standard input.
            words.push("-");
        }
        let mut env = vec![(OPERATION_ENV.to_owned(), request.operation_id.clone())];
        if self.kind == Kind::Gemini {
            // It would start itself again as a child, and a signal to the parent alone is ignored.
            env.push(("GEMINI_CLI_NO_RELAUNCH".to_owned(), "true".to_owned()));
        }
        let program = OsString::from(&request.binary);
        Launch {
            argv: std::iter::once(program).chain(words.into_iter().map(OsString::from)).collect(),
            env,
            cwd: request.cwd.clone(),
            prompt: PromptVia::Stdin,
            copy_stdout_to: None,
            answer_file: None,
            warnings: Vec::new(),
        }
    }

    /// The command line that continues a session, to be shown to people.
    ///
    /// None for an id that is more than letters, digits, `-`, `_` and `.`: it comes from a program's output and
    /// people paste this line into a shell.
    pub fn resume_command(&self, session_id: &str) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let safe = !session_id.is_empty()
            && session_id.len() <= 128
            && !session_id.starts_with('-')
            && session_id.bytes().all(plain);
        let start = match self.kind {
            Kind::Claude => "claude --resume",
            Kind::Codex => "codex exec resume",
            Kind::Gemini => "gemini --resume",
            Kind::Opencode => "opencode run -s",
        };
        safe.then(|| format!("{start} {session_id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(tool: &str, model: Option<&str>) -> Vec<String> {
        let launch = ToolSpec::find(tool).unwrap().command(&LaunchRequest {
            binary: "/opt/bin/tool".into(),
            model: model.map(str::to_owned),
            operation_id: "exec-1".to_owned(),
            session_uuid: "0b5f".to_owned(),
            cwd: "/srv".into(),
            extra_args: vec!["--flag; rm x".to_owned()],
        });
        assert_eq!(launch.prompt, PromptVia::Stdin);
        assert!(launch.env.contains(&(OPERATION_ENV.to_owned(), "exec-1".to_owned())));
        launch.argv.into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn every_command_is_a_list_of_words() {
        let all = |text: &str| -> Vec<String> {
            text.split(' ').map(|word| word.replace("EXTRA", "--flag; rm x")).collect()
        };
        assert_eq!(
            words("claude-code", Some("opus")),
            all("/opt/bin/tool -p --output-format stream-json --verbose --include-partial-messages \
                 --session-id 0b5f --model opus EXTRA")
        );
        assert_eq!(
            words("codex", Some("gpt-5")),
            all("/opt/bin/tool exec --json --skip-git-repo-check -m gpt-5 EXTRA -")
        );
        assert_eq!(words("codex", None), all("/opt/bin/tool exec --json --skip-git-repo-check EXTRA -"));
        assert_eq!(words("gemini", Some("g")), all("/opt/bin/tool -o stream-json -m g EXTRA"));
        assert_eq!(words("opencode", Some("p/m")), all("/opt/bin/tool run --format json -m p/m EXTRA"));
    }

    #[test]
    fn a_resume_command_holds_nothing_that_a_shell_would_read() {
        let tool = ToolSpec::find("codex").unwrap();
        assert_eq!(tool.resume_command("01a2-b_c.d").unwrap(), "codex exec resume 01a2-b_c.d");
        for id in ["", "a b", "x;rm", "$(x)", "-rf", "a\nb", &"x".repeat(129)] {
            assert_eq!(tool.resume_command(id), None, "{id}");
        }
    }

    #[test]
    fn names_are_found() {
        assert_eq!(ToolSpec::all().len(), 4);
        for tool in ToolSpec::all() {
            assert_eq!(ToolSpec::find(tool.name), Some(tool));
        }
        assert_eq!(ToolSpec::find("llm"), None);
    }
}
