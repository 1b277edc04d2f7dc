//! What reads the server's log and sends it.
//!
//! The files may hold lines of other programs, in the same schema too, and of other models, since a pattern of names such
//! as `*wine*` fits `wine-v2`. So each shipper takes the lines alone whose `event.dataset` is [`DATASET`] and whose
//! `service.name` is the project's; a server that has not read its model yet writes none.

use serde_json::json;

/// What `mlci-serve` calls its log.
const DATASET: &str = "mlci.serve";

/// rsyslog 8.2302 or later, with imfile and omelasticsearch.
pub(super) fn rsyslog(mark: &str, stream: &str, project: &str) -> String {
    let text = r##"# MARK
#
# rsyslogd -n -f rsyslog.conf -i PIDFILE, with these variables:
#   MLCI_SHIP_FILES   what is read; * stands for any part of a name. Lines of the server, or of a container runtime (CRI)
#   MLCI_SHIP_STATE   a folder that is there, for how far was read, and for what was refused (refused.json)
#   ELASTICSEARCH_URL such as http://127.0.0.1:9200; of Elasticsearch or OpenSearch
# A server that asks for a password: uid="…" pwd="…" in the last action.

global(workDirectory=`echo $MLCI_SHIP_STATE` maxMessageSize="64k")
module(load="imfile" mode="inotify")
module(load="omelasticsearch")

# Templates stand before what uses them: rsyslog 8.2302 takes them behind, and crashes.
template(name="mlci-line" type="list") { property(name="$!all-json") }
# Made once a line, so that one that is sent again is not kept twice.
template(name="mlci-id" type="string" string="%uuid%")

input(type="imfile" File=`echo $MLCI_SHIP_FILES` Tag="mlci-serve:" ruleset="mlci-serve"
      addMetadata="off" freshStartTail="off")

ruleset(name="mlci-serve") {
  if $msg startswith "{" then {
    set $.json = $msg;
  } else {
    # CRI: time, stream, F for a whole line, the line.
    set $.json = re_extract($msg, '^[^ ]+ (stdout|stderr) F ([{].*)$', 0, 2, "");
  }
  set $.parsed = parse_json($.json, "\$!");
  # Lines of other programs and of other models may stand in the same files. Until it has read its model, a server writes
  # no name.
  if $.parsed == 0 and $!event!dataset == "DATASET" and ($!service!name == "" or $!service!name == "PROJECT") then {
    action(type="omelasticsearch" server=`echo $ELASTICSEARCH_URL`
           searchIndex="STREAM" searchType="" template="mlci-line"
           bulkmode="on" writeoperation="create" bulkid="mlci-id" dynbulkid="on"
           # One line that the server does not take is kept here with the reason; those beside it arrive.
           errorfile=`echo $MLCI_SHIP_STATE/refused.json` erroronly="on" interleaved="on"
           # A server that is away is asked again, for ever; lines wait in their files.
           action.resumeRetryCount="-1" action.resumeInterval="2")
  }
}
"##;
    filled(text, mark, stream, project)
}

fn filled(text: &str, mark: &str, stream: &str, project: &str) -> String {
    text.replace("MARK", mark).replace("STREAM", stream).replace("DATASET", DATASET).replace("PROJECT", project)
}

/// Filebeat 7.16 or later.
pub(super) fn filebeat(mark: &str, stream: &str, project: &str) -> String {
    // A pod is called as its model, but for what its name cannot hold; whose line it is, the processor decides.
    let containers = project.replace(['.', '_'], "*");
    let container = json!({"container": {"stream": "all", "format": "auto"}});
    let lines = json!({"ndjson": {"target": "", "overwrite_keys": true, "expand_keys": true, "add_error_key": true}});
    let unnamed = json!({"not": {"has_fields": ["service.name"]}});
    let ours = json!({"and": [
        {"equals": {"event.dataset": DATASET}},
        {"or": [unnamed, {"equals": {"service.name": project}}]},
    ]});
    let configuration = json!({
        "filebeat.inputs": [
            {
                "type": "filestream",
                "id": format!("mlci-serve-{project}"),
                "paths": ["${MLCI_SHIP_FILES:/var/log/mlci-serve/*.log}"],
                "parsers": [lines],
            },
            {
                "type": "filestream",
                "id": format!("mlci-serve-{project}-containers"),
                "paths": [format!("${{MLCI_SHIP_CONTAINERS:/var/log/containers/*{containers}*.log}}")],
                // The files of containers are links.
                "prospector.scanner.symlinks": true,
                "parsers": [container, lines],
            },
        ],
        "processors": [{"drop_event": {"when": {"not": ours}}}],
        // The templates are those beside this file.
        "setup.template.enabled": false,
        "setup.ilm.enabled": false,
        "output.elasticsearch": {
            "hosts": ["${ELASTICSEARCH_URL:http://localhost:9200}"],
            "index": stream,
        },
    });
    // A map of texts: writing it as YAML cannot fail; as JSON, which is YAML, it would serve as well.
    let body = serde_saphyr::to_string(&configuration).unwrap_or_else(|_| format!("{configuration:#}\n"));
    format!(
        "# {mark}\n#\n# filebeat -e -c filebeat.yml, with these variables:\n\
         #   MLCI_SHIP_FILES      the server's own files; by default /var/log/mlci-serve/*.log\n\
         #   MLCI_SHIP_CONTAINERS those of its containers; by default /var/log/containers/*{containers}*.log\n\
         #   ELASTICSEARCH_URL    where it goes; by default http://localhost:9200\n\n{body}"
    )
}

/// Logstash 7.13 or later.
pub(super) fn logstash(mark: &str, stream: &str, project: &str) -> String {
    let text = r#"# MARK
#
# logstash -f logstash.conf, with these variables:
#   MLCI_SHIP_FILES   what is read; * stands for any part of a name
#   ELASTICSEARCH_URL where it goes; by default http://localhost:9200

input {
  file {
    path => "${MLCI_SHIP_FILES}"
    start_position => "beginning"
  }
}

filter {
  # A container runtime (CRI) puts time, stream and a flag before the line.
  if [message] !~ /^\{/ {
    grok { match => { "message" => "^%{NOTSPACE} (?:stdout|stderr) F %{GREEDYDATA:[@metadata][line]}$" } }
  } else {
    mutate { copy => { "message" => "[@metadata][line]" } }
  }
  json {
    source => "[@metadata][line]"
    skip_on_invalid_json => true
  }
  # Lines of other programs and of other models may stand in the same files. Until it has read its model, a server writes
  # no name.
  if [event][dataset] != "DATASET" or ([service][name] and [service][name] != "PROJECT") {
    drop { }
  }
}

output {
  elasticsearch {
    hosts => ["${ELASTICSEARCH_URL:http://localhost:9200}"]
    index => "STREAM"
    action => "create"
    manage_template => false
    ilm_enabled => false
  }
}
"#;
    filled(text, mark, stream, project)
}
