//! The cases of the arithmetic that the design names.

use super::*;

#[test]
fn opus_5_5_four_classes() {
    assert_eq!(pico("claude-opus-5-5", &usage(12, 12_532, 300, 26)), 4_574_400_000);
}

#[test]
fn cache_read_not_a_tenth() {
    assert_eq!(pico("claude-opus-5-5", &usage(0, 1_000_000, 0, 0)), 200_000_000_000);
    assert_eq!(pico("claude-opus-5-5", &usage(1_000_000, 0, 0, 0)), 4_000_000_000_000);
}

#[test]
fn cache_write_1h_is_not_5m() {
    let hour = Usage { cache_write_1h: 1, ..Usage::default() };
    assert_eq!(pico("claude-opus-5-5", &hour), 8_000_000);
    assert_eq!(pico("claude-opus-5-5", &usage(0, 0, 1, 0)), 5_000_000);
}

#[test]
fn cached_inside_input() {
    assert_eq!(PicoUsd(pico("gpt-5", &usage(5_042, 5_042, 0, 36))).nano(), 7_292_750);
    assert!(pico("gpt-5", &usage(10_084, 5_042, 0, 36)) > 7_292_750_000);
}

#[test]
fn anthropic_cache_beside_input() {
    // Anthropic counts 12 of input beside 12,532 read and 300 written; OpenAI's way to say the same is 12,844 of
    // input, of which 12,832 were cached. Both arrive as the same disjoint classes.
    let (all, read, written) = (12_844_u64, 12_532, 300);
    let inside = usage(all - read - written, read, written, 26);
    let beside = usage(12, read, written, 26);
    assert_eq!(pico("claude-opus-5-5", &inside), pico("claude-opus-5-5", &beside));
    assert_eq!(inside.total(), beside.total());
}

#[test]
fn reasoning_is_subset() {
    let with = Usage { reasoning: 10, ..usage(0, 0, 0, 36) };
    assert_eq!(pico("gpt-5", &with), pico("gpt-5", &usage(0, 0, 0, 36)));
    assert_eq!(with.total(), 36);
}

#[test]
fn reasoning_with_its_own_price_is_taken_out_of_output() {
    let table = PriceTable::embedded();
    let row = table.lookup("sonar-deep-research", Some("perplexity"), NOW).unwrap();
    let priced =
        price(row, &Usage { reasoning: 10, ..usage(0, 0, 0, 36) }, &Circumstance::request(NOW)).unwrap();
    let lines: Vec<_> = priced.lines.iter().map(|l| (l.class, l.tokens, l.price_pico)).collect();
    assert_eq!(lines[..2], [(Class::Output, 26, 8_000_000), (Class::Reasoning, 10, 3_000_000)]);
    // More reasoning than output, as a careless tool may say, is no more than all of it.
    let all = cost(row, &Usage { reasoning: 99, ..usage(0, 0, 0, 36) }).unwrap().0;
    assert_eq!(all, cost(row, &Usage { reasoning: 36, ..usage(0, 0, 0, 36) }).unwrap().0);
}

#[test]
fn tier_strictly_above() {
    assert_eq!(pico("gemini-2.5-pro", &usage(200_000, 0, 0, 1)), 200_000 * 1_250_000 + 10_000_000);
    assert_eq!(pico("gemini-2.5-pro", &usage(200_001, 0, 0, 1)), 200_001 * 2_500_000 + 15_000_000);
    // Output alone passes no tier.
    assert_eq!(pico("gemini-2.5-pro", &usage(0, 0, 0, 300_000)), 3_000_000_000_000);
}

#[test]
fn tier_counts_cached_input() {
    let below = Usage { cache_write_1h: 0, ..usage(100_000, 100_000, 0, 0) };
    assert_eq!(pico("gemini-2.5-pro", &below), 100_000 * 1_250_000 + 100_000 * 125_000);
    assert_eq!(
        pico("gemini-2.5-pro", &usage(100_000, 100_001, 0, 0)),
        100_000 * 2_500_000 + 100_001 * 250_000
    );
    let row = lookup("claude-haiku-5-5", None, NOW).unwrap();
    let above = Usage { cache_write_1h: 1, ..usage(0, 50_000, 50_000, 1) };
    let priced = price(row, &above, &Circumstance::request(NOW)).unwrap();
    assert!(priced.lines.iter().all(|line| line.tier_above == Some(100_000)));
    assert_eq!(priced.amount.0, 50_000 * 50_000 + 50_000 * 625_000 + 1_000_000 + 2_500_000);
}

#[test]
fn a_total_of_several_requests_stays_in_the_lower_tier() {
    let row = lookup("gemini-2.5-pro", None, NOW).unwrap();
    let basis = |tokens| {
        let priced = price(row, &usage(tokens, 0, 0, 0), &Circumstance::total(NOW)).unwrap();
        assert_eq!(priced.amount.0, i64::try_from(tokens).unwrap() * 1_250_000);
        priced.basis
    };
    assert_eq!(basis(200_000), CostBasis::Computed);
    assert_eq!(basis(300_000), CostBasis::Derived);
}

#[test]
fn astra_million() {
    assert_eq!(pico("gpt-6-astra", &usage(1_000_000, 0, 0, 1_000_000)), 95_000_000_000_000);
}

#[test]
fn dated_row() {
    let price = |when: &str| lookup("gemini-3.8-flash", None, at(when)).unwrap().rates.input.unwrap().0;
    assert_eq!(price("2026-12-31T23:59:59.999Z"), 750_000);
    assert_eq!(price("2027-01-01"), 1_500_000);
    assert_eq!(
        lookup("claude-opus-4-6", None, at("2026-03-12")).unwrap().tiers[0].above_input_tokens,
        200_000
    );
    assert!(lookup("claude-opus-4-6", None, at("2026-03-13")).unwrap().tiers.is_empty());
}

#[test]
fn daily_hours() {
    let input = |when: &str| {
        let row = lookup("deepseek-chat", Some("deepseek"), at(when)).unwrap();
        row.rates.input.unwrap().0
    };
    assert_eq!(input("2026-11-23T00:29:59.999Z"), 135_000);
    assert_eq!(input("2026-11-23T00:30:00Z"), 270_000);
    assert_eq!(input("2026-11-23T16:29:59.999Z"), 270_000);
    assert_eq!(input("2026-11-23T16:30:00Z"), 135_000);
    let row = lookup("deepseek-chat", Some("deepseek"), at("2026-11-23T12:00:00Z")).unwrap();
    let late = Circumstance::request(at("2026-11-23T20:00:00Z"));
    assert_eq!(price(row, &usage(1, 0, 0, 0), &late), Err(PriceError::NotInForce));
    let night = DailyHours { start_ms: 22 * 3_600_000, end_ms: 3_600_000 };
    assert!(night.holds_at(at("2026-11-23T23:00:00Z")) && night.holds_at(at("2026-11-23T00:59:59Z")));
    assert!(!night.holds_at(at("2026-11-23T01:00:00Z")) && !night.holds_at(at("1969-12-31T21:59:59Z")));
}

#[test]
fn service_tier_reported_not_requested() {
    let row = lookup("gpt-4.1", Some("openai"), NOW).unwrap();
    let with = |tier| {
        let of = Circumstance { service_tier: tier, ..Circumstance::request(NOW) };
        let priced = price(row, &usage(1_000_000, 0, 0, 0), &of).unwrap();
        (priced.amount.0, priced.basis)
    };
    // `auto` is what was asked; whatever was asked, the answer says `default`.
    for standard in [None, Some("default"), Some("auto"), Some("standard"), Some(" Default ")] {
        assert_eq!(with(standard), (2_000_000_000_000, CostBasis::Computed), "{standard:?}");
    }
    assert_eq!(with(Some("priority")), (3_500_000_000_000, CostBasis::Computed));
    // A tier without a listed price is at the standard price, and says so.
    assert_eq!(with(Some("warp")), (2_000_000_000_000, CostBasis::Derived));
}

#[test]
fn batch_half() {
    let row = lookup("claude-opus-5-5", Some("anthropic"), NOW).unwrap();
    let tokens = usage(10, 20, 30, 40);
    let of = Circumstance { batch: true, ..Circumstance::request(NOW) };
    let half = price(row, &tokens, &of).unwrap();
    assert_eq!(half.amount.0 * 2, cost(row, &tokens).unwrap().0.0);
    let told = Circumstance { service_tier: Some("batch"), ..Circumstance::request(NOW) };
    assert_eq!(price(row, &tokens, &told), Ok(half));
    // A search costs the same in a batch.
    let search = Usage { web_searches: 1, ..Usage::default() };
    assert_eq!(price(row, &search, &of).unwrap().amount, PicoUsd(10_000_000_000));
}

#[test]
fn factors_multiply_exactly_and_round_half_even() {
    let mut own = row("m", 3, 1_000_000);
    own.factors.insert("batch".to_owned(), Factor::parse("0.5").unwrap());
    own.factors.insert("priority".to_owned(), Factor::parse("1.75").unwrap());
    own.per_use.web_search = Some(PicoUsd(100));
    let with = |tier, tokens| {
        let of = Circumstance { service_tier: Some(tier), ..Circumstance::request(NOW) };
        price(&own, &Usage { web_searches: 1, ..usage(tokens, 0, 0, 0) }, &of).unwrap()
    };
    assert_eq!(with("batch", 1).amount.0, 2 + 100);
    assert_eq!(with("batch", 3).amount.0, 4 + 100);
    assert_eq!(with("batch", 2).amount.0, 3 + 100);
    let priority = with("Priority", 4);
    assert_eq!((priority.amount.0, priority.basis), (21 + 100, CostBasis::Computed));
    assert_eq!((priority.lines[0].factor_numerator, priority.lines[0].factor_denominator), (7, 4));
    for (text, read) in [("2", Some(2_000_000)), ("0.000001", Some(1)), ("0.0000001", None), ("-1", None)] {
        assert_eq!(Factor::parse(text).ok().map(|f| f.millionths), read, "{text}");
    }
}

#[test]
fn web_search_per_use() {
    let search = Usage { web_searches: 3, ..Usage::default() };
    assert_eq!(search.total(), 0);
    assert!(!search.is_zero());
    assert_eq!(pico("claude-opus-5-5", &search), 30_000_000_000);
    assert_eq!(cost(&row("m", 1, 1), &search), Err(PriceError::NoPrice(Class::WebSearch)));
}

#[test]
fn overflow() {
    let row = lookup("gpt-5", None, NOW).unwrap();
    assert_eq!(cost(row, &usage(1 << 63, 0, 0, 0)), Err(PriceError::Overflow));
    let most = Usage { cache_write_1h: u64::MAX, ..usage(u64::MAX, u64::MAX, u64::MAX, u64::MAX) };
    assert_eq!(cost(row, &most), Err(PriceError::Overflow));
    let mut dear = PriceRow::flat("m", PicoUsd(i64::MAX), PicoUsd(1));
    dear.factors.insert("fast".to_owned(), Factor { millionths: u64::MAX });
    assert_eq!(cost(&dear, &most), Err(PriceError::Overflow));
    let of = Circumstance { service_tier: Some("fast"), ..Circumstance::request(NOW) };
    assert_eq!(price(&dear, &most, &of), Err(PriceError::Overflow));
}

#[test]
fn missing_class_derived() {
    let mut anthropic = row("m", 10_000_000, 50_000_000);
    anthropic.provider = Some("firstParty".to_owned());
    let all = Usage { cache_write_1h: 100, ..usage(100, 100, 100, 0) };
    assert_eq!(
        cost(&anthropic, &all),
        Ok((PicoUsd(1_000_000_000 + 100_000_000 + 1_250_000_000 + 2_000_000_000), CostBasis::Derived))
    );
    // Nothing of the missing class was used, so nothing is derived.
    let plain = usage(100, 0, 0, 1);
    assert_eq!(cost(&anthropic, &plain), Ok((PicoUsd(1_050_000_000), CostBasis::Computed)));
    let mut any = row("n", 10_000_000, 50_000_000);
    assert_eq!(cost(&any, &all), Ok((PicoUsd(4_000_000_000), CostBasis::Derived)));
    // A listed write is nearer to a write of an hour than input is.
    any.rates.cache_write_5m = Some(PicoUsd(12_500_000));
    assert_eq!(cost(&any, &all), Ok((PicoUsd(2_000_000_000 + 2 * 1_250_000_000), CostBasis::Derived)));
    any.rates.output = None;
    assert_eq!(cost(&any, &plain), Err(PriceError::NoPrice(Class::Output)));
}

#[test]
fn a_tier_names_only_some_classes() {
    let mut own = row("m", 10, 100);
    own.rates.cache_read = Some(PicoUsd(1));
    let rates = Rates { input: Some(PicoUsd(20)), ..Rates::default() };
    own.tiers.push(Tier { above_input_tokens: 10, applies_to: AppliesTo::Request, rates });
    assert_eq!(cost(&own, &usage(10, 5, 0, 1)).unwrap().0.0, 200 + 5 + 100);
    own.tiers[0].applies_to = AppliesTo::Excess;
    // Of fifteen the first five are the cached ones; five lie above ten, all of them uncached.
    assert_eq!(cost(&own, &usage(10, 5, 0, 1)).unwrap().0.0, 5 * 10 + 5 * 20 + 5 + 100);
    let rates = Rates { input: Some(PicoUsd(40)), output: Some(PicoUsd(500)), ..Rates::default() };
    own.tiers.push(Tier { above_input_tokens: 12, applies_to: AppliesTo::Excess, rates });
    assert_eq!(cost(&own, &usage(15, 0, 0, 1)).unwrap().0.0, 10 * 10 + 2 * 20 + 3 * 40 + 100);
    own.tiers[1].applies_to = AppliesTo::Request;
    assert_eq!(cost(&own, &usage(15, 0, 0, 1)).unwrap().0.0, 15 * 40 + 500);
}
