// Command promclient pushes with the official Go client, as its steps say.
//
// Its argument is the address of a Pushgateway. Standard input: steps, a line of JSON each, as in
// tests/data/push/clients.jsonl. Standard output, for each: {"ok": bool, "error": string}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
	"github.com/prometheus/common/expfmt"
)

type step struct {
	Do       string      `json:"do"`
	Job      string      `json:"job"`
	Grouping [][2]string `json:"grouping"`
	Metrics  string      `json:"metrics"`
	Text     bool        `json:"text"`
}

// The same metrics as tests/clients/push.py has under the same names.
func collectors(name string) []prometheus.Collector {
	switch name {
	case "all":
		records := prometheus.NewCounterVec(
			prometheus.CounterOpts{Name: "records_total", Help: "Records, \\ and all.\nMore."},
			[]string{"stage", "odd"})
		records.WithLabelValues("read", "a\"b\\c\nd").Add(3)
		records.WithLabelValues("wrïte", "").Add(0.1)
		last := prometheus.NewGauge(prometheus.GaugeOpts{Name: "last_success", Help: "When."})
		last.Set(1.7e9)
		took := prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "took_seconds", Help: "How long.", Buckets: []float64{0.5, 1, 2.5}})
		for _, seconds := range []float64{0.1, 0.7, 9} {
			took.Observe(seconds)
		}
		size := prometheus.NewSummary(prometheus.SummaryOpts{
			Name: "size_bytes", Help: "How much.", Objectives: map[float64]float64{0.5: 0.05}})
		size.Observe(4)
		return []prometheus.Collector{records, last, took, size}
	case "native":
		took := prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "native_seconds", Help: "How long.", Buckets: []float64{0.5, 1, 2.5},
			NativeHistogramBucketFactor: 1.1})
		took.Observe(0.7)
		return []prometheus.Collector{took}
	case "one":
		last := prometheus.NewGauge(prometheus.GaugeOpts{Name: "last_success", Help: "When."})
		last.Set(5)
		return []prometheus.Collector{last}
	case "other":
		other := prometheus.NewGauge(prometheus.GaugeOpts{Name: "other", Help: "Another one."})
		other.Set(-0.5)
		return []prometheus.Collector{other}
	case "clash":
		clash := prometheus.NewCounter(prometheus.CounterOpts{Name: "last_success", Help: "No."})
		return []prometheus.Collector{clash}
	case "instance":
		vec := prometheus.NewGaugeVec(
			prometheus.GaugeOpts{Name: "of_instance", Help: "One."}, []string{"instance"})
		vec.WithLabelValues("own").Set(1)
		return []prometheus.Collector{vec}
	case "none":
		return nil
	}
	log.Fatalf("no metrics are called %q", name)
	return nil
}

func do(address string, s step) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors(s.Metrics)...)
	pusher := push.New(address, s.Job).Gatherer(registry)
	for _, label := range s.Grouping {
		pusher = pusher.Grouping(label[0], label[1])
	}
	if s.Text {
		pusher = pusher.Format(expfmt.NewFormat(expfmt.TypeTextPlain))
	}
	switch s.Do {
	case "push":
		return pusher.Push()
	case "add":
		return pusher.Add()
	case "delete":
		return pusher.Delete()
	}
	return fmt.Errorf("cannot %q", s.Do)
}

func main() {
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var s step
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			log.Fatal(err)
		}
		answer := map[string]any{"ok": true, "error": ""}
		if err := do(os.Args[1], s); err != nil {
			answer["ok"], answer["error"] = false, err.Error()
		}
		if err := out.Encode(answer); err != nil {
			log.Fatal(err)
		}
	}
}
