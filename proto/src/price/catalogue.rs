//! A whole table of providers and models, read from compact text as it is asked for.
//!
//! Owns the names of one table: which provider, which model, which of its rows. The text is split into providers
//! at once, into a provider's models when one of them is first looked for, into a model's rows when it is found;
//! each step is done once. Knows nothing of other layers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use super::compact::{FORMAT, ModelLine, read_spans, rows};
use super::names;
use super::row::{PriceRow, RowSource};
use super::rule::{Rule, equal_names, unescape};
use crate::time::UnixMs;

/// The table that comes with the program.
const EMBEDDED: &str = include_str!("../../data/genai-prices.txt");

/// Providers, their models and the prices of these.
#[derive(Debug)]
pub struct Catalogue {
    source: RowSource,
    text: Cow<'static, str>,
    providers: Vec<Provider>,
}

#[derive(Debug)]
struct Provider {
    id: String,
    /// Its paragraph in the text.
    part: Range<usize>,
    /// Rule of the model names that mean this provider when none is named, and whether it is made yet.
    makes: Range<usize>,
    maker: OnceLock<Option<Rule>>,
    index: OnceLock<Index>,
}

/// The models of one provider.
#[derive(Debug)]
struct Index {
    models: Vec<Slot>,
    /// Ids and whole names, in lower case, to places in `models`.
    names: HashMap<String, usize>,
    rules: OnceLock<Vec<Option<Rule>>>,
}

#[derive(Debug)]
struct Slot {
    line: Range<usize>,
    rows: OnceLock<Vec<PriceRow>>,
}

/// What a table says of a model besides its prices.
#[derive(Debug, Clone, Copy)]
pub struct CatalogueModel<'a> {
    catalogue: &'a Catalogue,
    provider: usize,
    slot: &'a Slot,
    line: ModelLine<'a>,
}

impl Catalogue {
    /// The table that comes with the program.
    pub fn embedded() -> &'static Self {
        static TABLE: OnceLock<Catalogue> = OnceLock::new();
        // A test reads all of it, so the empty table is never used; unknown costs are its honest meaning.
        TABLE.get_or_init(|| {
            Self::split(Cow::Borrowed(EMBEDDED), RowSource::Catalogue).unwrap_or_else(Self::none)
        })
    }

    /// Reads compact text whole; none when any part of it is not valid.
    pub(super) fn read(text: impl Into<Cow<'static, str>>, source: RowSource) -> Option<Self> {
        let catalogue = Self::split(text.into(), source)?;
        for provider in &catalogue.providers {
            let lines = catalogue.text[provider.part.clone()].lines().count() - 1;
            let index = catalogue.index(provider);
            let makes = &catalogue.text[provider.makes.clone()];
            let valid = (makes.is_empty() || Rule::read(makes).is_some())
                && index.models.len() == lines
                && index.models.iter().all(|slot| {
                    let line = ModelLine::split(&catalogue.text[slot.line.clone()]);
                    line.is_some_and(|line| {
                        (line.rule.is_empty() || Rule::read(line.rule).is_some())
                            && read_spans(line.prices).is_some()
                    })
                });
            if !valid {
                return None;
            }
        }
        Some(catalogue)
    }

    fn none() -> Self {
        Self { source: RowSource::Catalogue, text: Cow::Borrowed(""), providers: Vec::new() }
    }

    fn split(text: Cow<'static, str>, source: RowSource) -> Option<Self> {
        let (head, _) = text.split_once('\n')?;
        head.strip_prefix(FORMAT).filter(|origin| origin.starts_with('\t'))?;
        let starts: Vec<usize> =
            memchr::memmem::find_iter(text.as_bytes(), "\n\n").map(|at| at + 2).collect();
        let ends = starts.iter().skip(1).map(|start| start - 1).chain([text.len()]);
        let mut providers = Vec::with_capacity(starts.len());
        for part in starts.iter().zip(ends).map(|(start, end)| *start..end) {
            let head = text[part.clone()].lines().next()?;
            let mut fields = head.split('\t');
            let (id, name, makes) = (fields.next()?, fields.next()?, fields.next()?);
            let start = part.start + id.len() + name.len() + 2;
            let makes = start..start + makes.len();
            let (maker, index) = (OnceLock::new(), OnceLock::new());
            providers.push(Provider { id: unescape(id)?, part, makes, maker, index });
        }
        Some(Self { source, text, providers })
    }

    /// Which layer its rows belong to.
    pub fn source(&self) -> RowSource {
        self.source
    }

    /// Where the table is from, in the words of its first line: `genai-prices 0.2.1`.
    pub fn origin(&self) -> String {
        let head = self.text.lines().next().unwrap_or_default();
        head.split_once('\t').and_then(|(_, origin)| unescape(origin)).unwrap_or_default()
    }

    /// Ids of all providers, in the table's order.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|provider| provider.id.as_str())
    }

    /// All models, in the table's order.
    pub fn models(&self) -> impl Iterator<Item = CatalogueModel<'_>> {
        self.providers.iter().enumerate().flat_map(move |(provider, own)| {
            let slots = self.index(own).models.iter();
            slots.filter_map(move |slot| self.model_at(provider, slot))
        })
    }

    /// Finds a model by what a tool calls it.
    ///
    /// Tried in this order: the exact id, another whole name, both without `provider/` in front, without a date at
    /// the end, and the table's own rule. A name before the slash counts as the provider, unless one is given. With
    /// neither, the table's rule says who makes models of such names. A provider without the model has no price for
    /// it, since a reseller's price is not the maker's.
    pub fn find(&self, model: &str, provider: Option<&str>) -> Option<CatalogueModel<'_>> {
        let name = names::fold(model.trim());
        self.find_folded(&name, provider)
            .or_else(|| self.find_folded(names::without_window(&name)?, provider))
    }

    fn find_folded(&self, name: &str, provider: Option<&str>) -> Option<CatalogueModel<'_>> {
        let asked = provider.map(names::provider).filter(|name| !name.is_empty());
        // Gemini's own API writes `models/gemini-…`; that is a path, not a seller.
        self.find_named(name.strip_prefix("models/").unwrap_or(name), asked.as_deref())
    }

    fn find_named(&self, name: &str, asked: Option<&str>) -> Option<CatalogueModel<'_>> {
        let (prefix, rest) = name.split_once('/').map_or((None, ""), |(prefix, rest)| (Some(prefix), rest));
        let seller = prefix.map(names::provider);
        if let Some(asked) = asked {
            let at = self.provider(asked)?;
            let stripped = (seller.as_deref() == Some(asked)).then_some(rest);
            return self.named(at, name, stripped);
        }
        if let Some(seller) = &seller {
            let Some(at) = self.provider(seller) else {
                // Some makers' names have a slash of their own; only a whole name is one of these.
                let at = self.maker(name)?;
                return self.exact(at, name);
            };
            return self.named(at, name, Some(rest));
        }
        self.named(self.maker(name)?, name, None)
    }

    fn provider(&self, id: &str) -> Option<usize> {
        let named = |is: fn(&str, &str) -> bool| self.providers.iter().position(|own| is(&own.id, id));
        // An imported table may name its provider by an alias.
        named(|own, id| own == id).or_else(|| named(|own, id| names::provider(own) == id))
    }

    fn maker(&self, name: &str) -> Option<usize> {
        self.providers.iter().position(|own| {
            let rule = own.maker.get_or_init(|| Rule::read(&self.text[own.makes.clone()]));
            rule.as_ref().is_some_and(|rule| rule.matches(name))
        })
    }

    fn named(&self, at: usize, name: &str, stripped: Option<&str>) -> Option<CatalogueModel<'_>> {
        let forms = || std::iter::once(name).chain(stripped).filter(|form| !form.is_empty());
        let exact = |form: &str| self.exact(at, form);
        forms()
            .find_map(exact)
            .or_else(|| forms().filter_map(names::with_long_date).find_map(|form| exact(&form)))
            .or_else(|| forms().filter_map(names::without_date).find_map(exact))
            .or_else(|| forms().find_map(|form| self.ruled(at, form)))
    }

    fn exact(&self, at: usize, name: &str) -> Option<CatalogueModel<'_>> {
        let index = self.index(&self.providers[at]);
        self.model_at(at, &index.models[*index.names.get(name)?])
    }

    fn ruled(&self, at: usize, name: &str) -> Option<CatalogueModel<'_>> {
        let index = self.index(&self.providers[at]);
        // A model without a rule is known by its id alone, which was looked for before.
        let rules = index.rules.get_or_init(|| {
            let line = |slot: &Slot| ModelLine::split(&self.text[slot.line.clone()]);
            index.models.iter().map(|slot| Rule::read(line(slot)?.rule)).collect()
        });
        let long = names::with_long_date(name);
        let matching = |name: &str| rules.iter().position(|r| r.as_ref().is_some_and(|r| r.matches(name)));
        let found = matching(name).or_else(|| matching(&long?))?;
        self.model_at(at, &index.models[found])
    }

    fn model_at<'a>(&'a self, provider: usize, slot: &'a Slot) -> Option<CatalogueModel<'a>> {
        let line = ModelLine::split(&self.text[slot.line.clone()])?;
        Some(CatalogueModel { catalogue: self, provider, slot, line })
    }

    fn index<'a>(&'a self, provider: &'a Provider) -> &'a Index {
        provider.index.get_or_init(|| {
            let mut models = Vec::new();
            let mut start = provider.part.start;
            for line in self.text[provider.part.clone()].split_inclusive('\n') {
                let end = start + line.trim_end_matches('\n').len();
                if start > provider.part.start && ModelLine::split(&self.text[start..end]).is_some() {
                    models.push(Slot { line: start..end, rows: OnceLock::new() });
                }
                start += line.len();
            }
            let mut found = HashMap::with_capacity(models.len() * 2);
            let lines =
                || models.iter().map(|slot| ModelLine::split(&self.text[slot.line.clone()])).enumerate();
            // All ids before all other names: the exact id goes first, whatever the order of models.
            for (at, line) in lines() {
                let id = line.and_then(|line| unescape(line.id)).unwrap_or_default();
                found.entry(names::fold(&id).into_owned()).or_insert(at);
            }
            for (at, line) in lines() {
                for name in line.map(|line| equal_names(line.rule)).into_iter().flatten() {
                    found.entry(name).or_insert(at);
                }
            }
            Index { models, names: found, rules: OnceLock::new() }
        })
    }
}

impl<'a> CatalogueModel<'a> {
    /// Which layer it is from.
    pub fn source(&self) -> RowSource {
        self.catalogue.source
    }

    /// Who is paid.
    pub fn provider(&self) -> &'a str {
        &self.catalogue.providers[self.provider].id
    }

    /// The model's id, as its seller names it.
    pub fn id(&self) -> Cow<'a, str> {
        plain(self.line.id)
    }

    /// The name for people; the id where the table has none.
    pub fn name(&self) -> Cow<'a, str> {
        if self.line.name.is_empty() { self.id() } else { plain(self.line.name) }
    }

    /// Most tokens of a request and its answer, where the table says so.
    pub fn context_window(&self) -> Option<u64> {
        self.line.context_window.parse().ok()
    }

    /// Whether the seller no longer offers it to new users.
    pub fn deprecated(&self) -> bool {
        self.line.deprecated
    }

    /// All its rows; where two hold at one time, the first is used.
    pub fn rows(&self) -> &'a [PriceRow] {
        self.slot.rows.get_or_init(|| {
            let id = self.id();
            let mut rows = rows(
                &read_spans(self.line.prices).unwrap_or_default(),
                self.provider(),
                &id,
                self.catalogue.source,
            );
            let folded = names::fold(&id);
            let aliases: Vec<String> = equal_names(self.line.rule).filter(|name| *name != folded).collect();
            for row in &mut rows {
                row.aliases.clone_from(&aliases);
            }
            rows
        })
    }

    /// The row in force at `at`; none when the table has no price that we meter.
    pub fn row_at(&self, at: UnixMs) -> Option<&'a PriceRow> {
        self.rows().iter().find(|row| row.holds_at(at))
    }
}

fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('%') {
        unescape(text).map_or(Cow::Borrowed(text), Cow::Owned)
    } else {
        Cow::Borrowed(text)
    }
}
