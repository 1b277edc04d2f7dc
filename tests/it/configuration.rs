//! `mlci.toml`: errors point at line and column and suggest the nearest key.

use crate::project::Project;

#[track_caller]
fn refused(text: &str, says: &[&str]) {
    let project = Project::with(text);
    let finished = project.run(&["plan"]);
    assert_eq!((finished.code, finished.value["verdict"].as_str()), (2, Some("invalid")), "{:#}", finished.value);
    for part in says {
        assert!(finished.error().contains(part), "{:?} does not say {part:?}", finished.error());
    }
}

const START: &str = "[project]\nname = \"wine\"\n\n[data]\npath = \"wine.csv\"\ntarget = \"quality\"\n";

#[test]
fn unknown_keys() {
    refused(
        &format!("{START}featurs = [\"pH\"]\n"),
        &["mlci.toml:7:1", "unknown key `data.featurs`", "did you mean `data.features`?"],
    );
    refused(&format!("{START}[trian]\nseed = 1\n"), &["mlci.toml:7:2", "did you mean `train`?"]);
    refused(
        &format!("{START}[environment.staging]\naproval = \"none\"\n"),
        &["mlci.toml:8:1", "did you mean `environment.staging.approval`?"],
    );
    refused(&format!("{START}[gate.limits.rmse]\nmaximum = 1\n"), &["mlci.toml:8:1", "`gate.limits.rmse.max`"]);
    refused(&format!("{START}[data.columns]\npH = {{ units = \"x\" }}\n"), &["mlci.toml:8", "`data.columns.pH.unit`"]);
    refused(&format!("{START}zzz = 1\n"), &["known keys in [data]", "delimiter"]);
}

#[test]
fn wrong_values() {
    refused(&format!("{START}[train]\nseed = \"x\"\n"), &["mlci.toml:8:8", "invalid type: string \"x\""]);
    refused(&format!("{START}[train]\nseed = -1\n"), &["mlci.toml:8"]);
    refused(&format!("{START}[train]\ntest_fraction = 1.5\n"), &["mlci.toml:8:17", "is 1.5", "such as 0.2"]);
    refused(&format!("{START}[train]\ntest_fraction = nan\n"), &["mlci.toml:8:17"]);
    refused(&format!("{START}[gate.limits.rmse]\nmax = nan\n"), &["mlci.toml:8:7", "`gate.limits.rmse.max` is nan"]);
    refused(&format!("{START}[gate]\nmargin = -inf\n"), &["mlci.toml:8:10", "is -inf"]);
    refused(&format!("{START}delimiter = \"\\n\"\n"), &["mlci.toml:7:13", "`data.delimiter` is `\\n`"]);
    refused(
        &format!("{START}[train]\nalgorithm = \"xgboost\"\n"),
        &["mlci.toml:8", "unknown variant `xgboost`", "ols"],
    );
    refused(&format!("{START}[environment.Staging]\n"), &["`Staging` is not a name"]);
    refused(&format!("{START}[environment.a]\nport = 5000\n[environment.b]\nport = 5000\n"), &["the port 5000"]);
    refused(&format!("{START}[environment.a]\nport = 0\n"), &["mlci.toml:8:8", "a free port"]);
    let monitor = |key: &str| format!("{START}[monitor]\n{key}\n");
    refused(&monitor("drift_psi = 0"), &["mlci.toml:8:13", "`monitor.drift_psi` is 0", "from 0.01 to 4"]);
    refused(&monitor("error_ratio = 1.0"), &["mlci.toml:8:15", "a share above 0 and below 1"]);
    refused(&monitor("error_requests = 0"), &["`monitor.error_requests` is 0", "from 1 to 1000000"]);
    refused(&monitor("drift_rows = 50"), &["`monitor.drift_rows` is 50", "from 200 to 1000"]);
    for folder in ["", "/monitoring", "../monitoring", "a/../../b", ".mlci/x", "~/x"] {
        refused(&monitor(&format!("folder = \"{folder}\"")), &["mlci.toml:8:10", "`monitor.folder` is"]);
    }
    refused(&monitor("folder = \".mlci/x\""), &["`.mlci/x`", "name a folder of the project"]);
    refused(&monitor("pushgateway = \"host:9091\""), &["mlci.toml:8:15", "is no address", "http://HOST:PORT"]);
    refused(&monitor("pushgateway = \"http://h:99999\""), &["`monitor.pushgateway`", "port from 1 to 65535"]);
    refused(&monitor("runbook = \"https://h/{{ .x }}\""), &["`monitor.runbook`", "template"]);
    for address in ["http://u:SEKRET@h", "http://u:SEK/RET@h", "http://h/?token=SEKRET"] {
        for (table, key) in [("monitor", "pushgateway"), ("track", "mlflow")] {
            let text = format!("{START}[{table}]\n{key} = {address:?}\n");
            refused(&text, &[&format!("`{table}.{key}` has a"), "mlci.toml:8:"]);
            let shown = Project::with(&text).output(&["plan"]);
            let shown = String::from_utf8([shown.stdout, shown.stderr].concat()).unwrap();
            assert!(!shown.contains("SEK"), "{shown}");
        }
    }
    let cluster = |name: &str, keys: &str| format!("[environment.{name}]\ntarget = \"kubernetes\"\n{keys}\n");
    for namespace in ["(", ".*", "Models", "a_b", &"a".repeat(64)] {
        let text = format!("{START}{}", cluster("a", &format!("namespace = {namespace:?}")));
        refused(&text, &["mlci.toml:9:13", "which no cluster can have", "1 to 63"]);
    }
    let same = cluster("a", "namespace = \"n\"") + &cluster("b", "namespace = \"n\"");
    refused(&format!("{START}{same}"), &["`environment.b` and `environment.a` have the same namespace, `n`"]);
    refused(&monitor("runbook = \"docs/run.md\""), &["`monitor.runbook` is no address", "https://HOST/runbook"]);
    refused(&START.replace("wine\"", "Wine Quality\""), &["mlci.toml:2", "`Wine Quality` is not a model name"]);
}

/// A store in a folder that `clean` removes would be gone with it.
#[test]
fn folders_that_are_not_apart() {
    for folder in
        [".mlci", ".", ".mlci/journal", ".mlci/models/store", "./x/../.mlci/cache", ".mlci/runs", ".mlci/images/a"]
    {
        let text = format!("{START}[artifact]\nstore = \"{folder}\"\n");
        let project = Project::with(&text);
        let finished = project.run(&["plan"]);
        assert_eq!(finished.code, 2, "{folder}");
        assert!(finished.error().contains("not apart from"), "{folder}: {}", finished.error());
    }
    refused(&format!("{START}[artifact]\nstore = \"\"\n"), &["mlci.toml:8:9", "`artifact.store` is empty"]);
    refused(&format!("{START}[track]\nfolder = \"~/runs\"\n"), &["mlci.toml:8:10", "${HOME}"]);
    refused(&format!("{START}[image]\nlayout = \"ftp://x\"\n"), &["mlci.toml:8:10", "`ftp://` is not supported"]);
    let data = |path: &str| START.replace("path = \"wine.csv\"", &format!("path = {path:?}"));
    refused(&data("https://x/wine.csv"), &["mlci.toml:5:8", "`https://` is not supported", "s3://BUCKET/KEY"]);
    refused(&data("s3://bucket"), &["mlci.toml:5:8", "names no object in a bucket"]);
}

#[test]
fn lists_are_no_tables() {
    refused(&format!("train = []\n{START}"), &["mlci.toml:1:9", "`train` is no table", "[train]"]);
    refused(&format!("{START}[environment]\nstaging = []\n"), &["mlci.toml:8:11", "`environment.staging` is no table"]);
}

#[test]
fn what_is_missing_and_what_is_no_toml() {
    refused("", &["missing field `project`", "[project]"]);
    refused("[project]\nname = \"a\"\n", &["missing field `data`", "target = \"COLUMN\""]);
    refused("[project\n", &["mlci.toml:1"]);
    refused(&format!("{START}[data]\n"), &["mlci.toml:7", "duplicate"]);
}

#[test]
fn variables_and_profiles() {
    refused(
        &START.replace("wine.csv", "${NO_SUCH_VARIABLE}"),
        &["mlci.toml:5:8", "`NO_SUCH_VARIABLE` is not set to a text"],
    );
    let project = Project::with(&format!(
        "{}\n[profile.other.train]\nseed = 7\n\n[profile.wrong.train]\nsed = 7\n",
        START.replace("wine.csv", "${DATA_FILE}")
    ));
    let show = |arguments: &[&str]| {
        let output = project.command(arguments).env("DATA_FILE", "wine.csv").output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (code, plain) = show(&["config", "show"]);
    assert_eq!(code, Some(0), "{plain}");
    assert!(plain.contains("train.seed = 0  # default"), "{plain}");
    // Where something is, is shown, with the variable that says so.
    let path = plain.lines().find(|line| line.starts_with("data.path")).unwrap();
    assert!(path.contains("\"wine.csv\"") && path.contains("from ${DATA_FILE}"), "{path}");
    let (_, other) = show(&["config", "show", "--profile", "other"]);
    assert!(other.contains("train.seed = 7  # line 9, profile other"), "{other}");
    let (code, wrong) = show(&["config", "show", "--profile", "wrong"]);
    assert!(code == Some(2) && wrong.contains("did you mean `train.seed`?"), "{wrong}");
    let (code, none) = show(&["config", "show", "--profile", "nope"]);
    assert!(code == Some(2) && none.contains("no profile `nope`") && none.contains("other"), "{none}");
}

/// The published schema is the one that keys are checked against; a test of the repository's keeps the file equal.
#[test]
fn the_schema_is_published() {
    let project = Project::new();
    let output = project.output(&["config", "schema"]);
    let published = std::fs::read(crate::project::repository().join("docs/mlci.schema.json")).unwrap();
    assert_eq!(output.stdout, published);
}

/// `--config` in another folder: paths and `.mlci/` are beside it.
#[test]
fn a_configuration_elsewhere() {
    let project = Project::with(START);
    std::fs::create_dir(project.path("elsewhere")).unwrap();
    project.write("elsewhere/other.toml", &START.replace("wine.csv", "../wine.csv"));
    project.pass(&["ci", "--stage", "..train", "--config", "elsewhere/other.toml"]);
    assert!(project.path("elsewhere/.mlci/journal").is_dir());
    assert!(!project.path(".mlci").exists());
}

#[test]
fn init_answers_what_the_data_asks() {
    let project = Project::new();
    std::fs::remove_file(project.path("mlci.toml")).unwrap();
    let mut rows = String::from("id;town;size;price\n");
    for row in 0..300 {
        let town = ["Bonn", "Köln"][row % 2];
        let size = if row == 7 { "NA".to_owned() } else { format!("{}", 30 + row * 7 % 50) };
        rows.push_str(&format!(
            "{};{town};{size};{}\n",
            9_007_199_254_740_993_u64 + row as u64,
            100 + row * 7 % 50 * 3
        ));
    }
    project.write("wine.csv", &rows);
    let told = project.run(&["init", "--name", "rent"]);
    assert_eq!(told.code, 0, "{}", told.error());
    let written = project.read("mlci.toml");
    for line in ["delimiter = \";\"", "target = \"price\"", "exclude = [\"town\", \"id\"]", "missing = \"drop\""] {
        assert!(written.contains(line), "{line} is not in\n{written}");
    }
    let first = project.pass(&["ci", "--stage", "..publish"]);
    assert_eq!(first.text("/model/name"), "rent");
}

#[test]
fn init_says_what_needs_a_person() {
    let project = Project::new();
    std::fs::remove_file(project.path("mlci.toml")).unwrap();
    project.write("wine.csv", "size,town\n1,Bonn\n2,Ulm\n");
    let refused = project.run(&["init"]);
    assert!(refused.code == 2 && refused.error().contains("the columns are size, town"), "{}", refused.error());
    assert!(!project.path("mlci.toml").exists());
}

#[test]
fn init_writes_what_works() {
    let project = Project::new();
    std::fs::remove_file(project.path("mlci.toml")).unwrap();
    project.pass(&["init", "--name", "red-wine"]);
    assert!(project.read(".gitignore").contains(".mlci/"));
    let first = project.pass(&["ci", "--stage", "..publish"]);
    assert_eq!(first.text("/model/name"), "red-wine");
    project.pass(&["init", "--config", "other.toml", "--name", "other"]);
    assert!(project.read("other.toml").contains("name = \"other\""));
    // A cargo configuration in any form stays whole.
    project.write("xtask/Cargo.toml", "");
    for (old, added) in [
        ("", true),
        ("[build]\njobs = 1\n", true),
        ("alias.b = \"build\"\n", false),
        ("alias = { b = \"build\" }\n", false),
        ("[alias]\nxtask = \"run\"\n", false),
        ("[alias\n", false),
    ] {
        project.write(".cargo/config.toml", old);
        std::fs::remove_file(project.path("other.toml")).unwrap();
        project.pass(&["init", "--config", "other.toml", "--name", "other"]);
        let new = project.read(".cargo/config.toml");
        assert!(new.starts_with(old) && (new != old) == added, "{new}");
    }
    let again = project.run(&["init"]);
    assert!(again.code == 2 && again.error().contains("is there already"), "{}", again.error());
}
