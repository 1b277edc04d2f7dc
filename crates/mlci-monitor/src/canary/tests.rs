use mlci_core::Verdict;

use super::*;

const WINDOW: Duration = Duration::from_secs(60);

fn pods() -> Pods {
    Pods { canary: vec!["w-canary-1-a".to_owned()], stable: vec!["w-2-b".to_owned(), "w-2.c".to_owned()] }
}

/// What a Prometheus would have counted.
#[derive(Clone)]
struct World {
    canary: (f64, f64),
    stable: (f64, f64),
    percentile: f64,
    /// The canary's requests that took longer than 0.1 s.
    slow: f64,
    psi: Option<f64>,
    own: Vec<f64>,
}

const GOOD: World = World {
    canary: (0.0, 1000.0),
    stable: (0.0, 9000.0),
    percentile: 0.05,
    slow: 2.0,
    psi: Some(0.05),
    own: Vec::new(),
};

impl World {
    fn answer(&self, query: &str) -> Vec<Sample> {
        let one = |value: f64| vec![Sample::new(&[], value)];
        let by_status = |(errors, requests): (f64, f64)| {
            vec![Sample::new(&[("status", "200")], requests - errors), Sample::new(&[("status", "503")], errors)]
        };
        let canary = query.contains("canary-1-a");
        if query.starts_with("histogram_quantile") {
            one(self.percentile)
        } else if query.contains("_bucket") {
            let bucket = |le: &str, count: f64| Sample::new(&[("le", le)], count);
            let all = self.canary.1;
            // In no order, as an answer may come.
            vec![bucket("+Inf", all), bucket("0.1", all - self.slow), bucket("0.025", all / 2.0)]
        } else if query.contains("requests_total") {
            by_status(if canary { self.canary } else { self.stable })
        } else if query.contains("drift_rows") {
            one(700.0)
        } else if query.contains("drift_psi") {
            self.psi.map(one).unwrap_or_default()
        } else {
            self.own.iter().map(|value| Sample::new(&[], *value)).collect()
        }
    }

    fn judged_by(&self, analysis: &Analysis, look: Look) -> Judgement {
        analysis.judge(&pods(), WINDOW, look, |query| Ok::<_, String>(self.answer(query)))
    }

    fn judged(&self, look: Look) -> Judgement {
        self.judged_by(&Analysis::default(), look)
    }
}

fn verdict_of(judgement: &Judgement, check: &str) -> Verdict {
    judgement.checks.iter().find(|judged| judged.check == check).map(|judged| judged.verdict).unwrap()
}

#[test]
fn as_good_as_the_others() {
    let judgement = GOOD.judged(Look::Last);
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement}");
    let text = judgement.to_string();
    for words in [
        "errors: pass, the canary failed 0 of 1000, the stable pods 0 of 9000",
        "sample: canary 1000 requests, stable 9000",
        "2 of the canary's 1000 requests took longer than 0.1 s",
        "pod=~\"w-2-b|w-2\\\\.c\"",
        "offset 60s",
        "-> 1000 (status=200), 0 (status=503)",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    // Before the end nothing passes.
    assert_eq!(GOOD.judged(Look::Early).verdict, Verdict::NoData);
}

/// Case: one error in twenty requests says nothing.
#[test]
fn a_single_error_is_no_verdict() {
    let mut analysis = Analysis { min_requests: 1, checks: vec![Check::Errors], ..Analysis::default() };
    let of = |analysis: &Analysis, errors: f64, requests: f64, look: Look| {
        World { canary: (errors, requests), ..GOOD }.judged_by(analysis, look).verdict
    };
    assert_eq!(of(&analysis, 1.0, 20.0, Look::Last), Verdict::NoData);
    assert_eq!(of(&analysis, 0.0, 20.0, Look::Last), Verdict::NoData);
    assert_eq!(of(&analysis, 6.0, 20.0, Look::Last), Verdict::Fail);
    assert_eq!(of(&analysis, 1.0, 2000.0, Look::Last), Verdict::Pass);
    // Early, it takes more: 60 of 1,000 beside none of 9,000 is beyond doubt, 33 only at the end.
    assert_eq!(of(&analysis, 33.0, 1000.0, Look::Early), Verdict::NoData);
    assert_eq!(of(&analysis, 33.0, 1000.0, Look::Last), Verdict::Fail);
    assert_eq!(of(&analysis, 60.0, 1000.0, Look::Early), Verdict::Fail);
    // All of a few: nobody waits for more to fail. One or three of them may be anybody's.
    analysis.min_requests = 300;
    for (errors, requests, verdict) in [
        (20.0, 20.0, Verdict::Fail),
        (5.0, 20.0, Verdict::Fail),
        (3.0, 20.0, Verdict::NoData),
        (4.0, 4.0, Verdict::NoData),
        (1.0, 1.0, Verdict::NoData),
    ] {
        assert_eq!(of(&analysis, errors, requests, Look::Early), verdict, "{errors} of {requests}");
    }
}

/// Errors that both have are no fault of the canary's.
#[test]
fn errors_are_compared() {
    let both = World { canary: (100.0, 1000.0), stable: (900.0, 9000.0), ..GOOD };
    let judgement = both.judged(Look::Last);
    assert_ne!(verdict_of(&judgement, "errors"), Verdict::Fail, "{judgement}");
    assert_ne!(both.judged(Look::Early).verdict, Verdict::Fail);
}

#[test]
fn slower_ones_fail_and_slow_ones_do_not() {
    let slower = World { slow: 100.0, ..GOOD };
    assert_eq!(verdict_of(&slower.judged(Look::Last), "latency"), Verdict::Fail);
    assert_eq!(verdict_of(&slower.judged(Look::Early), "latency"), Verdict::Fail);
    // About as many as there may be: nothing is shown.
    assert_eq!(verdict_of(&World { slow: 10.0, ..GOOD }.judged(Look::Last), "latency"), Verdict::NoData);
    // Beyond the last bound, and where there was nothing.
    for percentile in [9.0, 0.0, f64::NAN, f64::INFINITY] {
        assert_eq!(verdict_of(&World { percentile, ..GOOD }.judged(Look::Last), "latency"), Verdict::NoData);
    }
}

/// What the documentation says of the smallest sample.
#[test]
fn of_268_requests_none_of_which_is_slow() {
    for (requests, verdict) in [(267.0, Verdict::NoData), (268.0, Verdict::Pass)] {
        let analysis = Analysis { min_requests: 1, ..Analysis::default() };
        let world = World { canary: (0.0, requests), slow: 0.0, ..GOOD };
        assert_eq!(verdict_of(&world.judged_by(&analysis, Look::Last), "latency"), verdict, "{requests}");
    }
}

#[test]
fn drift_of_the_predictions() {
    let of = |psi: Option<f64>, look: Look| verdict_of(&World { psi, ..GOOD }.judged(look), "drift");
    assert_eq!(of(Some(0.3), Look::Last), Verdict::Fail);
    assert_eq!(of(Some(0.3), Look::Early), Verdict::NoData);
    assert_eq!(of(None, Look::Last), Verdict::NoData);
    let text = World { psi: None, ..GOOD }.judged(Look::Last).to_string();
    assert!(text.contains("from 200 rows on, and the canary has 700 rows"), "{text}");
}

#[test]
fn own_checks_need_one_number() {
    let mut own = OwnCheck::new("hit rate", "avg(hits{$canary}) / avg(hits{$stable}) + 0 * rate(x[$window])");
    own.min = Some(0.9);
    let analysis = Analysis { own: vec![own], ..Analysis::default() };
    analysis.check().unwrap();
    let of = |values: &[f64], look| {
        verdict_of(&World { own: values.to_vec(), ..GOOD }.judged_by(&analysis, look), "hit rate")
    };
    assert_eq!(of(&[0.95], Look::Last), Verdict::Pass);
    assert_eq!(of(&[0.5], Look::Last), Verdict::Fail);
    assert_eq!(of(&[0.5], Look::Early), Verdict::NoData);
    for none in [&[][..], &[0.95, 0.96], &[f64::NAN], &[f64::INFINITY]] {
        assert_eq!(of(none, Look::Last), Verdict::NoData, "{none:?}");
    }
    let judgement = World { own: vec![0.95], ..GOOD }.judged_by(&analysis, Look::Last);
    let text = judgement.to_string();
    assert!(text.contains("avg(hits{pod=~\"w-canary-1-a\"}) / avg(hits{pod=~\"w-2-b|w-2\\\\.c\"})"), "{text}");
    assert!(text.contains("rate(x[60s])") && text.contains("limit: at least 0.9"), "{text}");
    // Few requests are no data for it either, whatever it says.
    let few = World { own: vec![0.5], canary: (0.0, 299.0), ..GOOD }.judged_by(&analysis, Look::Last);
    assert_eq!((few.verdict, verdict_of(&few, "hit rate")), (Verdict::NoData, Verdict::NoData), "{few}");
}

#[test]
fn too_few_requests_are_no_data_and_the_sample_is_shown() {
    for (canary, stable) in [(299.0, 9000.0), (1000.0, 299.0), (0.0, 0.0)] {
        let judgement = World { canary: (0.0, canary), stable: (0.0, stable), ..GOOD }.judged(Look::Last);
        assert_eq!(judgement.verdict, Verdict::NoData, "{judgement}");
        let few = format!("too few requests: canary {canary} requests, stable {stable}; each has to have 300");
        assert!(judgement.checks.iter().all(|judged| judged.said.starts_with(&few)), "{judgement}");
    }
    // Even errors, at the end: those of a handful may be anybody's.
    let judgement = World { canary: (2.0, 2.0), ..GOOD }.judged(Look::Last);
    assert_eq!(judgement.verdict, Verdict::NoData, "{judgement}");
}

#[test]
fn who_is_not_there_is_asked_for_nothing() {
    for (pods, words) in [
        (Pods { canary: Vec::new(), ..pods() }, "the canary has no pods"),
        (Pods { stable: vec![String::new()], ..pods() }, "no pods to compare"),
        (Pods { stable: vec!["a\"} or vector(1) #".to_owned()], ..pods() }, "no pods to compare"),
    ] {
        let judgement = Analysis::default()
            .judge(&pods, WINDOW, Look::Last, |query| -> Result<_, String> { panic!("asked {query}") });
        assert_eq!(judgement.verdict, Verdict::NoData);
        assert!(judgement.to_string().contains(words), "{judgement}");
    }
}

#[test]
fn what_is_not_answered_is_no_data_and_says_why() {
    let analysis = Analysis { checks: vec![Check::Drift], ..Analysis::default() };
    let judgement = analysis.judge(&pods(), WINDOW, Look::Last, |query| {
        if query.contains("requests_total") { Err("away") } else { Ok(GOOD.answer(query)) }
    });
    assert_eq!(judgement.verdict, Verdict::NoData, "{judgement}");
    assert!(judgement.to_string().contains("away"), "{judgement}");
}

/// A Prometheus that is away is tried once a look.
#[cfg(feature = "query")]
#[test]
fn who_is_away_is_not_asked_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let prometheus = Prometheus::new(&address).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let judgement = runtime.block_on(Analysis::default().look(&prometheus, &pods(), WINDOW, Look::Last));
    assert_eq!(judgement.verdict, Verdict::NoData);
    let answers: std::collections::BTreeSet<_> =
        judgement.checks.iter().flat_map(|judged| &judged.asked).map(|asked| &asked.answer).collect();
    assert_eq!(answers.len(), 1, "{judgement}");
    assert!(judgement.to_string().contains("is a Prometheus there?"), "{judgement}");
}

#[test]
fn what_cannot_be_judged_by_is_named() {
    let refused = |change: fn(&mut Analysis), words: &[&str]| {
        let mut analysis = Analysis::default();
        analysis.check().unwrap();
        change(&mut analysis);
        let error = analysis.check().unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "no {word:?} in: {error}");
        }
    };
    refused(|it| it.checks.clear(), &["`checks`"]);
    refused(|it| it.min_requests = 0, &["`min_requests`"]);
    refused(|it| it.error_ratio = 1.0, &["`error_ratio`"]);
    refused(|it| it.error_ratio = f64::NAN, &["`error_ratio`"]);
    refused(|it| it.latency_ratio = 1.0, &["`latency_ratio`"]);
    refused(|it| it.drift_psi = 5.0, &["`drift_psi`"]);
    refused(|it| it.pod_label = "a b".to_owned(), &["`pod_label`", "a b"]);
    refused(|it| it.own.push(OwnCheck::new("a", "b")), &["`query`", "`a`", "limit"]);
    refused(|it| it.own.push(OwnCheck { max: Some(1.0), ..OwnCheck::new("", "b") }), &["a name"]);
    refused(|it| it.own = vec![OwnCheck { max: Some(1.0), ..OwnCheck::new("a", "b") }; 2], &["`a`", "its own"]);
    let crossed = |it: &mut Analysis| {
        it.own.push(OwnCheck { min: Some(2.0), max: Some(1.0), ..OwnCheck::new("a", "b") });
    };
    refused(crossed, &["min is above max"]);
}
