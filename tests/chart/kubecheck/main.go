// Command kubecheck reads YAML documents from standard input and decodes each strictly into the type
// that Kubernetes, or the Prometheus operator, has for it. A field nobody knows, a value of the wrong
// type or a kind that is not listed is an error. For each document that is right it prints its kind
// and name.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// kinds makes an empty object of each kind that may stand in a manifest.
var kinds = map[string]func() any{
	"apps/v1 DaemonSet":                       func() any { return &apps.DaemonSet{} },
	"apps/v1 Deployment":                      func() any { return &apps.Deployment{} },
	"v1 ConfigMap":                            func() any { return &core.ConfigMap{} },
	"v1 Pod":                                  func() any { return &core.Pod{} },
	"v1 Secret":                               func() any { return &core.Secret{} },
	"v1 Service":                              func() any { return &core.Service{} },
	"v1 ServiceAccount":                       func() any { return &core.ServiceAccount{} },
	"networking.k8s.io/v1 NetworkPolicy":      func() any { return &networking.NetworkPolicy{} },
	"policy/v1 PodDisruptionBudget":           func() any { return &policy.PodDisruptionBudget{} },
	"monitoring.coreos.com/v1 PodMonitor":     func() any { return &monitoring.PodMonitor{} },
	"monitoring.coreos.com/v1 ServiceMonitor": func() any { return &monitoring.ServiceMonitor{} },
}

func main() {
	n, err := check(os.Stdin, os.Stdout)
	if err == nil && n == 0 {
		err = errors.New("there is no document")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(in io.Reader, out io.Writer) (int, error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(in))
	for n := 0; ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		var head struct {
			meta.TypeMeta   `json:",inline"`
			meta.ObjectMeta `json:"metadata"`
		}
		if err := yaml.Unmarshal(document, &head); err != nil {
			return n, fmt.Errorf("document %d: %w", n, err)
		}
		if head.Kind == "" && head.APIVersion == "" {
			continue // comments alone
		}
		kind := head.APIVersion + " " + head.Kind
		empty, isKnown := kinds[kind]
		if !isKnown {
			return n, fmt.Errorf("document %d: %s is not a kind this program knows", n, kind)
		}
		if err := yaml.UnmarshalStrict(document, empty()); err != nil {
			return n, fmt.Errorf("%s %q: %w", kind, head.Name, err)
		}
		fmt.Fprintf(out, "%s %s\n", head.Kind, head.Name)
		n++
	}
}
