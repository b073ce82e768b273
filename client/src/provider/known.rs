//! The providers llmctl knows without configuration, and how the environment names their keys.
//!
//! A table and three functions. The environment is handed in as a lookup and never read here; an empty variable
//! counts as unset.

use llmctl_proto::config::{Provider, Table, expand};

use super::request::{Api, ProviderSpec, Secret};

/// Environment variable with any OpenAI-compatible address.
pub const CUSTOM_BASE_URL: &str = "LLMCTL_BASE_URL";
/// Environment variable with the key for it; optional.
pub const CUSTOM_KEY: &str = "LLMCTL_API_KEY";
/// Environment variable with the API it speaks, by its name in configuration; `openai` when unset.
pub const CUSTOM_API: &str = "LLMCTL_API";
/// Name of the provider behind `LLMCTL_BASE_URL`.
pub const CUSTOM: &str = "custom";

/// A provider of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Name in configuration and on the command line.
    pub name: &'static str,
    /// Its id in the price table.
    pub price_id: &'static str,
    /// Wire format at the usual address.
    pub api: Api,
    /// Wire format when the environment gives another address: what compatible servers speak.
    pub api_elsewhere: Api,
    /// Usual address.
    pub base_url: &'static str,
    /// Environment variables of the key, first match wins.
    pub key_envs: &'static [&'static str],
    /// Environment variables of the address, first match wins.
    pub base_url_envs: &'static [&'static str],
    /// Model used when none is asked for.
    pub default_model: &'static str,
}

/// A provider that cannot be used yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// No key in the environment.
    #[error("no key: set {}", .names.join(" or "))]
    NoKey {
        /// The variables looked for.
        names: Vec<&'static str>,
    },
    /// `LLMCTL_BASE_URL` is not set.
    #[error("no address: set {CUSTOM_BASE_URL}")]
    NoAddress,
    /// `LLMCTL_API` names no API.
    #[error("{CUSTOM_API} is {given:?}; it must be anthropic, openai, openai_responses, gemini or ollama")]
    UnknownApi {
        /// What it is set to.
        given: String,
    },
    /// A configured provider without something it needs.
    #[error("{0}")]
    Incomplete(String),
}

/// One line of the table of providers that speak Chat Completions.
const fn chat(
    name: &'static str,
    price_id: &'static str,
    base_url: &'static str,
    key_envs: &'static [&'static str],
    default_model: &'static str,
) -> Known {
    Known {
        name,
        price_id,
        api: Api::Chat,
        api_elsewhere: Api::Chat,
        base_url,
        key_envs,
        base_url_envs: &[],
        default_model,
    }
}

/// The catalogue, in the order in which routing tries it.
pub const KNOWN: &[Known] = &[
    Known {
        name: "anthropic",
        price_id: "anthropic",
        api: Api::Anthropic,
        api_elsewhere: Api::Anthropic,
        base_url: "https://api.anthropic.com",
        key_envs: &["ANTHROPIC_API_KEY"],
        base_url_envs: &["ANTHROPIC_BASE_URL"],
        default_model: "claude-sonnet-5-5",
    },
    Known {
        name: "openai",
        price_id: "openai",
        api: Api::Responses,
        api_elsewhere: Api::Chat,
        base_url: "https://api.openai.com/v1",
        key_envs: &["OPENAI_API_KEY"],
        base_url_envs: &["OPENAI_BASE_URL"],
        default_model: "gpt-6.1-terra",
    },
    Known {
        name: "google",
        price_id: "google",
        api: Api::Gemini,
        api_elsewhere: Api::Gemini,
        base_url: "https://generativelanguage.googleapis.com",
        key_envs: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        base_url_envs: &["GOOGLE_GEMINI_BASE_URL"],
        default_model: "gemini-3.8-flash",
    },
    chat(
        "openrouter",
        "openrouter",
        "https://openrouter.ai/api/v1",
        &["OPENROUTER_API_KEY"],
        "openrouter/auto",
    ),
    chat("mistral", "mistral", "https://api.mistral.ai/v1", &["MISTRAL_API_KEY"], "mistral-medium-latest"),
    chat("groq", "groq", "https://api.groq.com/openai/v1", &["GROQ_API_KEY"], "openai/gpt-oss-120b"),
    chat("deepseek", "deepseek", "https://api.deepseek.com/v1", &["DEEPSEEK_API_KEY"], "deepseek-chat"),
    chat("xai", "x-ai", "https://api.x.ai/v1", &["XAI_API_KEY"], "grok-4.7"),
    chat("together", "together", "https://api.together.xyz/v1", &["TOGETHER_API_KEY"], "openai/gpt-oss-120b"),
    chat("cerebras", "cerebras", "https://api.cerebras.ai/v1", &["CEREBRAS_API_KEY"], "gpt-oss-120b"),
    chat(
        "fireworks",
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        &["FIREWORKS_API_KEY"],
        "accounts/fireworks/models/gpt-oss-120b",
    ),
    chat("moonshot", "moonshotai", "https://api.moonshot.ai/v1", &["MOONSHOT_API_KEY"], "kimi-k3"),
    // No version in the path: the whole address keeps one from being added.
    chat(
        "perplexity",
        "perplexity",
        "https://api.perplexity.ai/chat/completions",
        &["PERPLEXITY_API_KEY", "PPLX_API_KEY"],
        "sonar",
    ),
];

/// The provider of that name.
pub fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

impl Known {
    /// The provider as the environment completes it.
    ///
    /// # Errors
    /// When no variable holds a key. With an address from the environment the key is optional: a local proxy
    /// may need none.
    pub fn spec(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<ProviderSpec, NotReady> {
        let key = first(self.key_envs, env);
        let moved = first(self.base_url_envs, env).filter(|(_, url)| !same_host(url, self.base_url));
        if key.is_none() && moved.is_none() {
            return Err(NotReady::NoKey { names: self.key_envs.to_vec() });
        }
        let (api, base_url) = match moved {
            Some((_, url)) => (self.api_elsewhere, url),
            None => (self.api, self.base_url.to_owned()),
        };
        Ok(ProviderSpec {
            name: self.name.to_owned(),
            api,
            base_url,
            key_env: Some(key.as_ref().map_or(self.key_envs[0], |(name, _)| name).to_owned()),
            key: key.map(|(_, key)| Secret::new(&key)),
            headers: Vec::new(),
        })
    }
}

/// The provider behind `LLMCTL_BASE_URL`, with `LLMCTL_API_KEY` and `LLMCTL_API`.
///
/// # Errors
/// When there is no address or the API is unknown.
pub fn custom(env: &dyn Fn(&str) -> Option<String>) -> Result<ProviderSpec, NotReady> {
    let (_, base_url) = first(&[CUSTOM_BASE_URL], env).ok_or(NotReady::NoAddress)?;
    let api = match first(&[CUSTOM_API], env) {
        None => Api::Chat,
        Some((_, given)) => Api::parse(&given).ok_or(NotReady::UnknownApi { given })?,
    };
    Ok(ProviderSpec {
        name: CUSTOM.to_owned(),
        api,
        base_url,
        key: first(&[CUSTOM_KEY], env).map(|(_, key)| Secret::new(&key)),
        key_env: Some(CUSTOM_KEY.to_owned()),
        headers: Vec::new(),
    })
}

/// Every known provider by name, the custom one first, each ready or with the reason why not.
pub fn all(env: &dyn Fn(&str) -> Option<String>) -> Vec<(&'static str, Result<ProviderSpec, NotReady>)> {
    let known = KNOWN.iter().map(|known| (known.name, known.spec(env)));
    std::iter::once((CUSTOM, custom(env))).chain(known).collect()
}

/// Every known provider as the configuration changes it, then those that only the configuration knows, by name.
pub fn configured(
    providers: &Table<Provider>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Vec<(String, Result<ProviderSpec, NotReady>)> {
    let mut specs: Vec<(String, Result<ProviderSpec, NotReady>)> = Vec::new();
    for (name, spec) in all(env) {
        let spec = match providers.get(name) {
            Some(provider) => from_config(name, provider, env),
            None => spec,
        };
        specs.push((name.to_owned(), spec));
    }
    for (name, provider) in providers {
        if !specs.iter().any(|(known, _)| known == name) {
            specs.push((name.clone(), from_config(name, provider, env)));
        }
    }
    specs
}

/// A provider of the configuration; what it leaves out is the catalogue's.
fn from_config(
    name: &str,
    provider: &Provider,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<ProviderSpec, NotReady> {
    let usual = find(name);
    let incomplete = |what: String| NotReady::Incomplete(what);
    let base_url = match (&provider.base_url, usual) {
        (Some(url), _) => filled(url, env)?,
        (None, Some(usual)) => {
            first(usual.base_url_envs, env).map_or(usual.base_url.to_owned(), |(_, url)| url)
        }
        (None, None) => return Err(incomplete(format!("no address: set providers.{name}.base_url"))),
    };
    let elsewhere = usual.is_none_or(|usual| !same_host(&base_url, usual.base_url));
    let api = match (&provider.api, usual) {
        (Some(given), _) => {
            Api::parse(given).ok_or_else(|| incomplete(format!("no API {given:?} is known")))?
        }
        (None, Some(usual)) => {
            if elsewhere {
                usual.api_elsewhere
            } else {
                usual.api
            }
        }
        (None, None) => Api::Chat,
    };
    let names: Vec<&str> = match (&provider.api_key_env, usual) {
        (Some(own), _) => vec![own.as_str()],
        (None, Some(usual)) => usual.key_envs.to_vec(),
        (None, None) => Vec::new(),
    };
    let key = first(&names, env);
    // A server elsewhere may need no key, unless the configuration names one.
    if key.is_none() && (provider.api_key_env.is_some() || !elsewhere) {
        return Err(incomplete(format!("no key: set {}", names.join(" or "))));
    }
    Ok(ProviderSpec {
        name: name.to_owned(),
        api,
        base_url,
        key_env: key
            .as_ref()
            .map(|(name, _)| (*name).to_owned())
            .or_else(|| names.first().map(|n| (*n).to_owned())),
        key: key.map(|(_, key)| Secret::new(&key)),
        headers: provider
            .headers
            .iter()
            .map(|(name, value)| Ok((name.clone(), filled(value, env)?)))
            .collect::<Result<_, NotReady>>()?,
    })
}

/// Puts variables into a configured value.
fn filled(value: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, NotReady> {
    expand(value, env).map_err(|missing| NotReady::Incomplete(format!("{} is not set", missing.0)))
}

/// The first of the variables that is set and not blank.
fn first<'n>(names: &[&'n str], env: &dyn Fn(&str) -> Option<String>) -> Option<(&'n str, String)> {
    names.iter().find_map(|name| {
        let value = env(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| (*name, value.to_owned()))
    })
}

fn same_host(one: &str, other: &str) -> bool {
    let host =
        |url: &str| url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_ascii_lowercase));
    host(one).is_some() && host(one) == host(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::request::{ChatRequest, build};

    fn env<'v>(pairs: &'v [(&'v str, &'v str)]) -> impl Fn(&str) -> Option<String> + 'v {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn an_empty_environment_makes_nothing_ready_and_says_what_is_missing() {
        for (name, spec) in all(&env(&[])) {
            assert!(spec.is_err(), "{name}");
        }
        let error =
            find("google").expect("known").spec(&env(&[("GEMINI_API_KEY", "  ")])).expect_err("blank");
        assert_eq!(error.to_string(), "no key: set GEMINI_API_KEY or GOOGLE_API_KEY");
    }

    #[test]
    fn the_first_key_variable_wins() {
        let both = [("GOOGLE_API_KEY", "second-key"), ("GEMINI_API_KEY", "first-key")];
        let spec = find("google").expect("known").spec(&env(&both)).expect("ready");
        assert_eq!(spec.key, Some(Secret::new("first-key")));
        assert_eq!(spec.key_env.as_deref(), Some("GEMINI_API_KEY"));
    }

    #[test]
    fn openai_elsewhere_speaks_chat_and_needs_no_key() {
        let openai = find("openai").expect("known");
        let spec = openai.spec(&env(&[("OPENAI_BASE_URL", "http://127.0.0.1:4000")])).expect("ready");
        assert_eq!((spec.api, spec.key), (Api::Chat, None));
        let usual = [("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "https://api.openai.com/v1/")];
        assert_eq!(openai.spec(&env(&usual)).expect("ready").api, Api::Responses);
    }

    #[test]
    fn any_compatible_address_works_with_and_without_a_key() {
        let spec = custom(&env(&[(CUSTOM_BASE_URL, "http://h/v1")])).expect("ready");
        assert_eq!((spec.name.as_str(), spec.api, spec.key), (CUSTOM, Api::Chat, None));
        let full = [(CUSTOM_BASE_URL, "http://h"), (CUSTOM_KEY, "k"), (CUSTOM_API, "Anthropic")];
        assert_eq!(custom(&env(&full)).expect("ready").api, Api::Anthropic);
        let wrong = custom(&env(&[(CUSTOM_BASE_URL, "http://h"), (CUSTOM_API, "soap")]));
        assert_eq!(wrong, Err(NotReady::UnknownApi { given: "soap".into() }));
    }

    #[test]
    fn the_configuration_changes_and_adds_providers() {
        let mut providers = Table::new();
        let own = Provider {
            base_url: Some("http://${HOST:127.0.0.1}:9/v1".into()),
            headers: [("x-team".to_owned(), "${TEAM}".to_owned())].into(),
            ..Provider::default()
        };
        providers.insert("house".to_owned(), own);
        providers.insert(
            "openai".into(),
            Provider { api_key_env: Some("TEAM_KEY".into()), ..Provider::default() },
        );
        providers.insert("nowhere".into(), Provider::default());
        let env = env(&[("TEAM", "blue"), ("OPENAI_API_KEY", "k"), ("HOST", "h")]);
        let specs = configured(&providers, &env);
        let of =
            |name: &str| specs.iter().find(|(n, _)| n == name).map(|(_, spec)| spec.clone()).expect("listed");
        let house = of("house").expect("ready");
        assert_eq!((house.base_url.as_str(), house.api), ("http://h:9/v1", Api::Chat));
        assert_eq!(house.headers, [("x-team".to_owned(), "blue".to_owned())]);
        assert_eq!(of("openai").expect_err("its own key is not set").to_string(), "no key: set TEAM_KEY");
        assert!(of("nowhere").expect_err("no address").to_string().contains("providers.nowhere.base_url"));
        assert_eq!(specs.iter().filter(|(name, _)| name == "openai").count(), 1);
        let mut headed = providers["house"].clone();
        headed.headers.insert("x-key".to_owned(), "${UNSET_KEY}".to_owned());
        providers.insert("house".to_owned(), headed);
        let house = configured(&providers, &env).into_iter().find(|(name, _)| name == "house");
        let house = house.expect("listed").1;
        assert_eq!(house.expect_err("a header lacks its variable").to_string(), "UNSET_KEY is not set");
    }

    #[test]
    fn every_line_of_the_table_makes_a_request_to_its_own_host() {
        for known in KNOWN {
            let spec =
                known.spec(&|name| known.key_envs.contains(&name).then(|| "k".to_owned())).expect("ready");
            let ask = ChatRequest {
                model: known.default_model.into(),
                prompt: "Hi".into(),
                max_output_tokens: None,
            };
            let uri = build(&spec, &ask).expect("builds").uri().to_string();
            assert!(uri.starts_with("https://") && same_host(&uri, known.base_url), "{uri}");
            assert_eq!(KNOWN.iter().filter(|other| other.name == known.name).count(), 1);
        }
        let perplexity = find("perplexity").expect("known").spec(&|_| Some("k".to_owned())).expect("ready");
        let ask = ChatRequest { model: "sonar".into(), prompt: "Hi".into(), max_output_tokens: None };
        let uri = build(&perplexity, &ask).expect("builds").uri().to_string();
        assert_eq!(uri, "https://api.perplexity.ai/chat/completions");
    }
}
