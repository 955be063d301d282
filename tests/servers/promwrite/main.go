// Command promwrite writes remote-write messages with Prometheus' own libraries.
//
// Standard output: JSON lines, one a message:
//
//	{"name", "version": 1 or 2, "series": [...], "metadata": [...], "message": hex, "snappy": hex}
//
// A series is {"labels": [[name, value], ...], "samples": [[bits, timestamp, start], ...],
// "histograms": [...], "exemplars": [[labels, bits, timestamp], ...], "metadata": {...}}; doubles
// are the 16 hex digits of their bits. "metadata" at the top is that of 1.0, which has it beside
// the series. The committed file is made by
//
//	go run ./promwrite >../data/remote_write/messages.jsonl
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

type bits float64

func (b bits) MarshalJSON() ([]byte, error) {
	return json.Marshal(fmt.Sprintf("%016x", math.Float64bits(float64(b))))
}

type sample struct {
	value            bits
	timestamp, start int64
}

func (s sample) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{s.value, s.timestamp, s.start})
}

type pair [2]string

type exemplar struct {
	labels    []pair
	value     bits
	timestamp int64
}

func (e exemplar) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{e.labels, e.value, e.timestamp})
}

type buckets struct {
	Spans  [][2]int64 `json:"spans"`
	Deltas []int64    `json:"deltas"`
	Counts []bits     `json:"counts"`
}

// A count is the number itself for integers, bits for floats, null where it is not set.
type histo struct {
	Count         any     `json:"count"`
	Sum           bits    `json:"sum"`
	Schema        int32   `json:"schema"`
	ZeroThreshold bits    `json:"zero_threshold"`
	ZeroCount     any     `json:"zero_count"`
	Negative      buckets `json:"negative"`
	Positive      buckets `json:"positive"`
	ResetHint     int32   `json:"reset_hint"`
	Timestamp     int64   `json:"timestamp"`
	CustomValues  []bits  `json:"custom_values"`
	Start         int64   `json:"start_timestamp"`

	ints   *histogram.Histogram
	floats *histogram.FloatHistogram
}

type metadata struct {
	Family string `json:"family,omitempty"`
	Type   string `json:"type"`
	Help   string `json:"help"`
	Unit   string `json:"unit"`
}

type series struct {
	Labels     []pair     `json:"labels"`
	Samples    []sample   `json:"samples"`
	Histograms []histo    `json:"histograms"`
	Exemplars  []exemplar `json:"exemplars"`
	Metadata   *metadata  `json:"metadata,omitempty"`
}

type vector struct {
	Name     string     `json:"name"`
	Version  int        `json:"version"`
	Series   []series   `json:"series"`
	Metadata []metadata `json:"metadata"`
	Message  string     `json:"message"`
	Snappy   string     `json:"snappy"`
}

func main() {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	for _, v := range cases() {
		message := v.encode()
		v.Message = hex.EncodeToString(message)
		v.Snappy = hex.EncodeToString(snappy.Encode(nil, message))
		if err := encoder.Encode(v); err != nil {
			log.Fatal(err)
		}
	}
}

func (v vector) encode() []byte {
	var message []byte
	var err error
	if v.Version == 1 {
		message, err = v.v1().Marshal()
	} else {
		message, err = v.v2().Marshal()
	}
	if err != nil {
		log.Fatal(err)
	}
	return message
}

func (v vector) v1() *prompb.WriteRequest {
	request := &prompb.WriteRequest{}
	toLabels := func(pairs []pair) (all []prompb.Label) {
		for _, p := range pairs {
			all = append(all, prompb.Label{Name: p[0], Value: p[1]})
		}
		return all
	}
	for _, s := range v.Series {
		ts := prompb.TimeSeries{Labels: toLabels(s.Labels)}
		for _, p := range s.Samples {
			ts.Samples = append(ts.Samples, prompb.Sample{Value: float64(p.value), Timestamp: p.timestamp})
		}
		for _, h := range s.Histograms {
			if h.ints != nil {
				ts.Histograms = append(ts.Histograms, prompb.FromIntHistogram(h.Timestamp, h.ints))
			} else {
				ts.Histograms = append(ts.Histograms, prompb.FromFloatHistogram(h.Timestamp, h.floats))
			}
		}
		for _, e := range s.Exemplars {
			ts.Exemplars = append(ts.Exemplars, prompb.Exemplar{
				Labels: toLabels(e.labels), Value: float64(e.value), Timestamp: e.timestamp,
			})
		}
		request.Timeseries = append(request.Timeseries, ts)
	}
	for _, m := range v.Metadata {
		request.Metadata = append(request.Metadata, prompb.MetricMetadata{
			Type:             prompb.FromMetadataType(model.MetricType(m.Type)),
			MetricFamilyName: m.Family, Help: m.Help, Unit: m.Unit,
		})
	}
	return request
}

func (v vector) v2() *writev2.Request {
	table := writev2.NewSymbolTable()
	refs := func(pairs []pair) []uint32 {
		var all []uint32
		for _, p := range pairs {
			all = append(all, table.Symbolize(p[0]), table.Symbolize(p[1]))
		}
		return all
	}
	request := &writev2.Request{}
	for _, s := range v.Series {
		ts := writev2.TimeSeries{}
		if s.Metadata != nil {
			ts.Metadata.Type = writev2.FromMetadataType(model.MetricType(s.Metadata.Type))
			ts.Metadata.HelpRef = table.Symbolize(s.Metadata.Help)
			ts.Metadata.UnitRef = table.Symbolize(s.Metadata.Unit)
		}
		ts.LabelsRefs = refs(s.Labels)
		for _, p := range s.Samples {
			ts.Samples = append(ts.Samples, writev2.Sample{
				Value: float64(p.value), Timestamp: p.timestamp, StartTimestamp: p.start,
			})
		}
		for _, h := range s.Histograms {
			if h.ints != nil {
				ts.Histograms = append(ts.Histograms, writev2.FromIntHistogram(h.Start, h.Timestamp, h.ints))
			} else {
				ts.Histograms = append(ts.Histograms, writev2.FromFloatHistogram(h.Start, h.Timestamp, h.floats))
			}
		}
		for _, e := range s.Exemplars {
			ts.Exemplars = append(ts.Exemplars, writev2.Exemplar{
				LabelsRefs: refs(e.labels), Value: float64(e.value), Timestamp: e.timestamp,
			})
		}
		request.Timeseries = append(request.Timeseries, ts)
	}
	request.Symbols = table.Symbols()
	return request
}

const now = int64(1_763_726_400_123)

func toBits(values []float64) []bits {
	all := make([]bits, 0, len(values))
	for _, v := range values {
		all = append(all, bits(v))
	}
	return all
}

func spansOf(spans []histogram.Span) [][2]int64 {
	all := make([][2]int64, 0, len(spans))
	for _, s := range spans {
		all = append(all, [2]int64{int64(s.Offset), int64(s.Length)})
	}
	return all
}

func ofInts(start int64, h *histogram.Histogram) histo {
	return histo{
		Count: h.Count, Sum: bits(h.Sum), Schema: h.Schema, ZeroThreshold: bits(h.ZeroThreshold),
		ZeroCount: h.ZeroCount, Timestamp: now, Start: start, ResetHint: int32(h.CounterResetHint),
		Negative:     buckets{Spans: spansOf(h.NegativeSpans), Deltas: h.NegativeBuckets, Counts: []bits{}},
		Positive:     buckets{Spans: spansOf(h.PositiveSpans), Deltas: h.PositiveBuckets, Counts: []bits{}},
		CustomValues: toBits(h.CustomValues), ints: h,
	}
}

func ofFloats(start int64, h *histogram.FloatHistogram) histo {
	return histo{
		Count: bits(h.Count), Sum: bits(h.Sum), Schema: h.Schema, ZeroThreshold: bits(h.ZeroThreshold),
		ZeroCount: bits(h.ZeroCount), Timestamp: now, Start: start, ResetHint: int32(h.CounterResetHint),
		Negative:     buckets{Spans: spansOf(h.NegativeSpans), Deltas: []int64{}, Counts: toBits(h.NegativeBuckets)},
		Positive:     buckets{Spans: spansOf(h.PositiveSpans), Deltas: []int64{}, Counts: toBits(h.PositiveBuckets)},
		CustomValues: toBits(h.CustomValues), floats: h,
	}
}

func one(name string, s series) series {
	s.Labels = append([]pair{{labels.MetricName, name}, {"instance", "host:9100"}, {"job", "node"}}, s.Labels...)
	return s
}

func histograms() map[string]func(start int64) histo {
	positive := []histogram.Span{{Offset: 0, Length: 3}, {Offset: 2, Length: 2}}
	negative := []histogram.Span{{Offset: 0, Length: 2}}
	return map[string]func(int64) histo{
		"basic": func(start int64) histo {
			return ofInts(start, &histogram.Histogram{
				Count: 27, Sum: 18.4, Schema: 0, ZeroThreshold: 1e-128, ZeroCount: 1,
				PositiveSpans: positive, PositiveBuckets: []int64{1, 2, 1, 3, 1},
				NegativeSpans: negative, NegativeBuckets: []int64{1, 1},
			})
		},
		"positive_only": func(start int64) histo {
			return ofInts(start, &histogram.Histogram{
				Count: 23, Sum: 1e9, Schema: 8, CounterResetHint: histogram.NotCounterReset,
				PositiveSpans: positive, PositiveBuckets: []int64{1, 2, 1, 3, 1},
			})
		},
		"negative_only": func(start int64) histo {
			return ofInts(start, &histogram.Histogram{
				Count: 3, Sum: -7.5, Schema: -4, CounterResetHint: histogram.CounterReset,
				NegativeSpans: []histogram.Span{{Offset: -9, Length: 2}}, NegativeBuckets: []int64{1, 1},
			})
		},
		"falling": func(start int64) histo {
			return ofInts(start, &histogram.Histogram{
				Count: 1 << 40, Sum: math.Inf(1), Schema: 3,
				PositiveSpans:   []histogram.Span{{Offset: 5000, Length: 3}},
				PositiveBuckets: []int64{1 << 39, -(1 << 38), 1 << 37},
			})
		},
		"empty": func(start int64) histo { return ofInts(start, &histogram.Histogram{}) },
		"stale": func(start int64) histo {
			return ofInts(start, &histogram.Histogram{Sum: math.Float64frombits(value.StaleNaN)})
		},
		"float": func(start int64) histo {
			return ofFloats(start, &histogram.FloatHistogram{
				Count: 12.5, Sum: 3.25, Schema: 2, ZeroThreshold: 0.001, ZeroCount: 0.5,
				CounterResetHint: histogram.GaugeType,
				PositiveSpans:    positive, PositiveBuckets: []float64{1, 0, 2.5, 0.1, 4},
				NegativeSpans: negative, NegativeBuckets: []float64{1.5, 2.9},
			})
		},
		"float_empty": func(start int64) histo { return ofFloats(start, &histogram.FloatHistogram{}) },
		"float_stale": func(start int64) histo {
			return ofFloats(start, &histogram.FloatHistogram{Sum: math.Float64frombits(value.StaleNaN)})
		},
	}
}

// sorted ranges over a map in the order of its keys.
func sorted[V any](m map[string]V) func(yield func(string, V) bool) {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

func customBuckets(start int64) []histo {
	return []histo{
		ofInts(start, &histogram.Histogram{
			Count: 30, Sum: 55.5, Schema: histogram.CustomBucketsSchema,
			CustomValues:  []float64{0.1, 0.5, 1, 2.5, 5, 10},
			PositiveSpans: []histogram.Span{{Offset: 0, Length: 6}}, PositiveBuckets: []int64{2, 1, 2, 3, -1, -2},
		}),
		ofFloats(start, &histogram.FloatHistogram{
			Count: 3, Sum: 5, Schema: histogram.CustomBucketsSchema, CustomValues: []float64{-1, 0, 1},
			PositiveSpans: []histogram.Span{{Offset: 1, Length: 1}, {Offset: 1, Length: 1}}, PositiveBuckets: []float64{1, 2},
		}),
	}
}

func cases() []vector {
	var all []vector
	both := func(name string, list ...series) {
		all = append(all, vector{Name: name, Version: 1, Series: list}, vector{Name: name, Version: 2, Series: list})
	}
	one1 := sample{1, now, 0}
	both("empty")
	both("one_sample", one("up", series{Samples: []sample{one1}}))
	both("no_labels", series{Samples: []sample{one1}})
	both("no_values", one("up", series{}))
	both("zero_at_the_epoch", one("up", series{Samples: []sample{{0, 0, 0}}}))
	for name, v := range sorted(map[string]float64{
		"infinity": math.Inf(1), "minus_infinity": math.Inf(-1), "greatest": math.MaxFloat64,
		"least": math.SmallestNonzeroFloat64, "tenth": 0.1,
		"nan": math.Float64frombits(value.NormalNaN), "stale_marker": math.Float64frombits(value.StaleNaN),
		"odd_nan": math.Float64frombits(0xfff4_dead_beef_0001),
	}) {
		both("value_"+name, one("up", series{Samples: []sample{{bits(v), now, 0}}}))
	}
	for name, t := range sorted(map[string]int64{
		"one": 1, "before_1970": -1, "least": math.MinInt64, "greatest": math.MaxInt64, "two_bytes": 128,
		"seven_bytes": 1<<49 - 1, "eight_bytes": 1<<56 - 1, "nine_bytes": 1 << 56,
	}) {
		both("timestamp_"+name, one("up", series{Samples: []sample{{1, t, 0}}}))
	}
	both("several_samples", one("up", series{Samples: []sample{{1, now, 0}, {2, now + 15_000, 0}, {0, now + 30_000, 0}}}))
	both("same_series_twice", one("up", series{Samples: []sample{one1}}), one("up", series{Samples: []sample{{2, now + 1, 0}}}))
	both("utf8_names", series{
		Labels:  []pair{{labels.MetricName, "resource.cpu usage"}, {"job.name", "käse"}, {"日本", "🦀"}},
		Samples: []sample{one1},
	})
	both("odd_labels", one("up", series{
		Labels:  []pair{{"a", ""}, {"", "b"}, {"", ""}, {"job", "twice"}, {"newline", "a\nb\x00\"\\"}},
		Samples: []sample{one1},
	}))
	both("long_texts", one("up", series{
		Labels:  []pair{{strings.Repeat("n", 127), strings.Repeat("v", 128)}, {strings.Repeat("m", 300), strings.Repeat("w", 3000)}},
		Samples: []sample{one1},
	}))
	both("exemplars", one("requests_total", series{
		Samples: []sample{{42, now, 0}},
		Exemplars: []exemplar{
			{[]pair{{"span_id", "s"}, {"trace_id", "4bf92f3577b34da6"}}, 1.5, now - 7},
			{[]pair{}, bits(math.Float64frombits(value.NormalNaN)), now},
			{[]pair{{"trace_id", ""}, {"z", "ü"}}, 0, 0},
		},
	}))
	both("exemplar_alone", one("requests_total", series{Exemplars: []exemplar{{[]pair{{"trace_id", "x"}}, 1, now}}}))
	for name, h := range sorted(histograms()) {
		both("histogram_"+name, one("latency", series{Histograms: []histo{h(0)}}))
	}
	h := histograms()
	both("histograms_and_exemplar", one("latency", series{
		Histograms: []histo{h["basic"](0), h["float"](0)}, Exemplars: []exemplar{{[]pair{{"trace_id", "x"}}, 1, now}},
	}))
	v2 := func(name string, list ...series) { all = append(all, vector{Name: name, Version: 2, Series: list}) }
	v2("start_timestamps", one("requests_total", series{Samples: []sample{{1, now, now - 60_000}, {2, now + 1, -1}}}),
		one("latency", series{Histograms: []histo{h["basic"](now - 60_000)}}))
	v2("custom_buckets", one("latency", series{Histograms: customBuckets(0)}), one("latency", series{Histograms: customBuckets(now - 1)}))
	types := []string{"unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"}
	var typed []series
	var beside []metadata
	for i, t := range types {
		m := metadata{Type: t, Help: "help of\n\"" + t + "\" ünd", Unit: []string{"", "bytes/sec"}[i%2]}
		typed = append(typed, one("a_"+t, series{Samples: []sample{one1}, Metadata: &m}))
		m.Family = "a_" + t
		beside = append(beside, m)
	}
	v2("metadata", typed...)
	many := make([]series, 0, 300)
	for i := range 300 {
		many = append(many, series{
			Labels:  []pair{{labels.MetricName, fmt.Sprintf("metric_%d", i%7)}, {"pod", fmt.Sprintf("pod-%d", i)}, {"zone", "eu"}},
			Samples: []sample{{bits(float64(i) / 7), now + int64(i), 0}},
		})
	}
	both("many_symbols", many...)
	for i := range typed {
		typed[i].Metadata = nil
	}
	all = append(all,
		vector{Name: "metadata", Version: 1, Series: typed[:2], Metadata: beside},
		vector{Name: "metadata_alone", Version: 1, Metadata: append([]metadata{{Type: "counter"}}, beside[:1]...)},
	)
	return all
}
