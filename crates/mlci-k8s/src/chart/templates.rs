use serde_json::{Value, json};

use super::{
    Chart,
    slots::{Slots, replace, set, without},
};
use crate::{
    name::Name,
    workload::{Workload, WorkloadError},
};

/// The workload's name while its objects have no values yet.
const NAME: &str = "mlci-name";

const REPLICAS: &str = "{{- if hasKey .Values \"replicas\" }}\n@KEY@: {{ int64 .Values.replicas }}\n{{- end }}";
const CPU_LIMIT: &str = "{{- with .Values.resources.cpuLimit }}\n@KEY@: {{ . | quote }}\n{{- end }}";
const ENV: &str = "\
{{- with include \"@CHART@.env\" . }}
env:
  {{- . | nindent @INDENT@ }}
{{- end }}";
const PULL_SECRETS: &str = "\
{{- with .Values.pullSecrets }}
@KEY@:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}";

/// A map of texts.
fn texts(value: &str) -> String {
    let item = "{{ $key | quote }}: {{ $value | quote }}";
    format!(
        "{{{{- with .Values.{value} }}}}\n@KEY@:\n  {{{{- range $key, $value := . }}}}\n  {item}\n  {{{{- end }}}}\n{{{{- end }}}}"
    )
}

/// What the user has written, as YAML.
fn verbatim(value: &str) -> String {
    format!("{{{{- with .Values.{value} }}}}\n@KEY@:\n  {{{{- toYaml . | nindent @INDENT@ }}}}\n{{{{- end }}}}")
}

impl Chart {
    /// The templates of the objects: path and text of each.
    pub(super) fn templates(&self) -> Result<Vec<(String, String)>, WorkloadError> {
        let workload = self.generic();
        let mut templates = Vec::new();
        for mut object in workload.render()? {
            let mut slots = Slots::default();
            self.set_values(&mut slots, &workload, &mut object, "/spec/template/spec");
            let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
            let mut text = slots.text(&object);
            if kind == "poddisruptionbudget" {
                text = self.named(&format!("{{{{- if include \"@CHART@.spare\" . }}}}\n{text}{{{{- end }}}}\n"));
            }
            templates.push((format!("{kind}.yaml"), text));
        }
        templates.push(("tests/verify.yaml".to_owned(), self.test(&workload)));
        Ok(templates)
    }

    /// The workload without what is a value.
    fn generic(&self) -> Workload {
        let mut workload = self.workload.clone();
        workload.name = Name::legal(NAME);
        workload.replicas = None;
        workload.resources.cpu_limit = None;
        for map in
            [&mut workload.env, &mut workload.extra_labels, &mut workload.annotations, &mut workload.pod_annotations]
        {
            map.clear();
        }
        workload.pull_secrets.clear();
        workload
    }

    /// A helper's lines below the key that they belong to.
    fn include(&self, slots: &mut Slots, helper: &str) -> Value {
        slots.lines(self.named(&format!("@KEY@:\n  {{{{- include \"@CHART@.{helper}\" . | nindent @INDENT@ }}}}")))
    }

    /// Puts expressions where values belong; `pod` points to the pod's specification, where there is one.
    fn set_values(&self, slots: &mut Slots, workload: &Workload, object: &mut Value, pod: &str) {
        let selector = self.include(slots, "selector");
        replace(object, &workload.selector(), &selector);
        let name = slots.inline(self.named("{{ include \"@CHART@.name\" . | quote }}"));
        replace(object, &json!(NAME), &name);
        set(object, "/metadata", "namespace", slots.inline("{{ .Release.Namespace | quote }}"));
        set(object, "/metadata", "labels", self.include(slots, "labels"));
        set(object, "/spec/template/metadata", "labels", self.include(slots, "podLabels"));
        set(object, "/spec/template/metadata", "annotations", slots.lines(texts("podAnnotations")));
        set(object, "/spec/ports/0", "port", slots.inline("{{ int64 .Values.service.port }}"));
        set(object, pod, "imagePullSecrets", slots.lines(PULL_SECRETS));
        set(object, pod, "nodeSelector", slots.lines(verbatim("nodeSelector")));
        set(object, pod, "tolerations", slots.lines(verbatim("tolerations")));
        if object["kind"] == "Deployment" {
            set(object, "/spec", "replicas", slots.lines(REPLICAS));
            set(object, "/metadata", "annotations", slots.lines(texts("annotations")));
        }
        let container = format!("{pod}/containers/0");
        set(object, &container, "image", slots.inline(self.named("{{ include \"@CHART@.image\" . | quote }}")));
        // Sorted to the end, since the lines cannot begin behind the dash of the container.
        set(object, &container, "zz", slots.lines(self.named(ENV)));
        let resources = format!("{container}/resources");
        let memory = slots.inline("{{ .Values.resources.memory | quote }}");
        set(object, &format!("{resources}/requests"), "cpu", slots.inline("{{ .Values.resources.cpu | quote }}"));
        set(object, &format!("{resources}/requests"), "memory", memory.clone());
        set(object, &format!("{resources}/limits"), "memory", memory);
        set(object, &format!("{resources}/limits"), "cpu", slots.lines(CPU_LIMIT));
    }

    /// The test: a pod of the same image, restricted in the same way, that asks through the Service.
    fn test(&self, workload: &Workload) -> String {
        let mut slots = Slots::default();
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "annotations": {
                    "helm.sh/hook": "test",
                    // One that has failed stays to be looked at, until the next.
                    "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
                },
            },
            "spec": workload.pod(),
        });
        // What makes a server of it; and the variables of the namespace's Services are what it reads.
        let of_servers = ["enableServiceLinks", "terminationGracePeriodSeconds", "topologySpreadConstraints"];
        without(&mut pod, "/spec", &of_servers);
        let of_servers = ["lifecycle", "livenessProbe", "ports", "readinessProbe", "startupProbe"];
        without(&mut pod, "/spec/containers/0", &of_servers);
        self.set_values(&mut slots, workload, &mut pod, "/spec");
        let name = "{{ printf \"%s-verify\" (include \"@CHART@.name\" .) | quote }}";
        set(&mut pod, "/metadata", "name", slots.inline(self.named(name)));
        set(&mut pod, "/metadata", "labels", self.include(&mut slots, "testLabels"));
        set(&mut pod, "/spec", "restartPolicy", json!("Never"));
        let address = slots.inline(self.named("{{ include \"@CHART@.address\" . | quote }}"));
        let own = workload.args.iter().map(|argument| json!(argument));
        set(&mut pod, "/spec/containers/0", "args", own.chain([json!("--verify"), address]).collect());
        slots.text(&pod)
    }
}
