//! The layers of prices: the user's own, an imported table, the embedded one. The first that knows a model wins.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use super::arithmetic::{Circumstance, PriceError, Priced, price};
use super::catalogue::{Catalogue, CatalogueModel};
use super::names;
use super::row::{PriceRow, RowsError, check_rows};
use crate::time::UnixMs;
use crate::usage::Usage;

/// Prices of many models in layers.
#[derive(Debug, Clone, Default)]
pub struct PriceTable {
    overrides: Vec<PriceRow>,
    imported: Option<Arc<Catalogue>>,
}

/// What a table says of a model at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// The row in force.
    Row(&'a PriceRow),
    /// The first layer that knows the model has no row in force then: the cost is unknown, and no other layer asked.
    Gap,
    /// No layer knows the model from this provider.
    Unknown,
}

impl<'a> Found<'a> {
    /// The row, if there is one.
    pub fn row(self) -> Option<&'a PriceRow> {
        match self {
            Self::Row(row) => Some(row),
            Self::Gap | Self::Unknown => None,
        }
    }
}

impl PriceTable {
    /// Puts the user's rows and an imported table before the embedded one.
    ///
    /// # Errors
    /// The rows overlap or contradict themselves; see [`check_rows`].
    pub fn new(overrides: Vec<PriceRow>, imported: Option<Arc<Catalogue>>) -> Result<Self, RowsError> {
        check_rows(&overrides)?;
        Ok(Self { overrides, imported })
    }

    /// The embedded table alone.
    pub fn embedded() -> &'static Self {
        static TABLE: OnceLock<PriceTable> = OnceLock::new();
        TABLE.get_or_init(Self::default)
    }

    /// The user's own rows.
    pub fn overrides(&self) -> &[PriceRow] {
        &self.overrides
    }

    /// The imported table.
    pub fn imported(&self) -> Option<&Arc<Catalogue>> {
        self.imported.as_ref()
    }

    /// Finds the row in force at `at`; see [`PriceTable::find`].
    pub fn lookup(&self, model: &str, provider: Option<&str>, at: UnixMs) -> Option<&PriceRow> {
        self.find(model, provider, at).row()
    }

    /// Finds what the table says of a model at `at`, as [`Catalogue::find`] finds names.
    ///
    /// `provider` is who is paid and is passed whenever it is known. A row of the user without a provider is for any.
    pub fn find(&self, model: &str, provider: Option<&str>, at: UnixMs) -> Found<'_> {
        let own = self.own(model, provider);
        if !own.is_empty() {
            // A row for hours of the day goes before one for the whole day.
            let hours = own.iter().find(|row| row.daily.is_some() && row.holds_at(at));
            return hours
                .or_else(|| own.iter().find(|row| row.holds_at(at)))
                .map_or(Found::Gap, |r| Found::Row(r));
        }
        match self.model(model, provider) {
            Some(model) => model.row_at(at).map_or(Found::Gap, Found::Row),
            None => Found::Unknown,
        }
    }

    /// Finds the row in force at the request's time and prices usage by it; none without a row.
    ///
    /// # Errors
    /// As [`price`].
    pub fn price(
        &self,
        model: &str,
        provider: Option<&str>,
        usage: &Usage,
        of: &Circumstance<'_>,
    ) -> Option<Result<(Priced, &PriceRow), PriceError>> {
        let row = self.lookup(model, provider, of.at)?;
        Some(price(row, usage, of).map(|priced| (priced, row)))
    }

    /// Finds what the imported or the embedded table says of a model besides its prices.
    pub fn model(&self, model: &str, provider: Option<&str>) -> Option<CatalogueModel<'_>> {
        let imported = self.imported.as_ref().and_then(|table| table.find(model, provider));
        imported.or_else(|| Catalogue::embedded().find(model, provider))
    }

    /// The context window of a model in tokens, where a table says it.
    pub fn context_window(&self, model: &str, provider: Option<&str>) -> Option<u64> {
        let imported = self.imported.as_ref().and_then(|table| table.find(model, provider));
        let window = imported.and_then(|model| model.context_window());
        window.or_else(|| Catalogue::embedded().find(model, provider)?.context_window())
    }

    /// All models of the imported and the embedded table; of two with one provider and id, the imported one.
    ///
    /// The price in force is `lookup(&model.id(), Some(model.provider()), at)`, which honours the user's rows.
    pub fn models(&self) -> impl Iterator<Item = CatalogueModel<'_>> {
        let imported = || self.imported.iter().flat_map(|table| table.models());
        let known: HashSet<_> = imported().map(|model| (model.provider(), model.id())).collect();
        let embedded = Catalogue::embedded().models();
        imported().chain(embedded.filter(move |model| !known.contains(&(model.provider(), model.id()))))
    }

    /// The user's rows of a model, by the best of the names that fit: exact or alias, without `provider/`, without
    /// a date.
    fn own(&self, model: &str, provider: Option<&str>) -> Vec<&PriceRow> {
        if self.overrides.is_empty() {
            return Vec::new();
        }
        let name = names::fold(model.trim());
        let rows = self.own_folded(&name, provider);
        match names::without_window(&name) {
            Some(name) if rows.is_empty() => self.own_folded(name, provider),
            _ => rows,
        }
    }

    fn own_folded(&self, name: &str, provider: Option<&str>) -> Vec<&PriceRow> {
        let asked = provider.map(names::provider).filter(|name| !name.is_empty());
        let rows = |name: &str, seller: Option<&str>| -> Vec<&PriceRow> {
            self.overrides.iter().filter(|row| is_for(row, name, seller)).collect()
        };
        let stripped = name.split_once('/').and_then(|(prefix, rest)| {
            let seller = if prefix == "models" { None } else { Some(names::provider(prefix)) };
            let other = seller.is_some() && asked.is_some() && seller != asked;
            (!other).then(|| (rest, asked.clone().or(seller)))
        });
        let forms = std::iter::once((name, asked.clone())).chain(stripped);
        let forms: Vec<_> = forms.collect();
        let whole = forms.iter().map(|(name, seller)| (*name, seller.as_deref()));
        let undated =
            forms.iter().filter_map(|(name, seller)| Some((names::without_date(name)?, seller.as_deref())));
        let mut found = whole.chain(undated).map(|(name, seller)| rows(name, seller));
        found.find(|rows| !rows.is_empty()).unwrap_or_default()
    }
}

fn is_for(row: &PriceRow, name: &str, seller: Option<&str>) -> bool {
    let same = |own: &str| names::fold(own) == name;
    let named = same(&row.model) || row.aliases.iter().any(|alias| same(alias));
    let own = row.provider.as_deref().map(names::provider);
    named && seller.is_none_or(|asked| own.is_none_or(|own| own == asked))
}

/// Finds a row in the embedded table; see [`PriceTable::lookup`].
pub fn lookup(model: &str, provider: Option<&str>, at: UnixMs) -> Option<&'static PriceRow> {
    PriceTable::embedded().lookup(model, provider, at)
}
