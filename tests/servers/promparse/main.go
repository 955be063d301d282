// Command promparse says what Prometheus' own parsers make of documents.
//
// Standard input: documents, each one byte for the format ('t' text 0.0.4, 'o' OpenMetrics), four
// bytes for the length (little endian), and the bytes. Standard output: one line of JSON each:
//
//	{"ok": bool, "error": string, "entries": [...], "append": string}
//
// An entry is an array that starts with its kind: ["help", name, text], ["type", name, type],
// ["unit", name, unit], ["comment"], and
// ["sample", name, [[label, value], ...], value, timestamp or null, exemplar or null].
// Names of meta lines are as written, names and values of labels decoded, label order as written,
// a value as Go prints it. Text that is not UTF-8 is {"hex": ...}. "append" says what the scrape
// makes of the first sample it refuses although it could be parsed.
//
// With the argument "vectors" it reads test vectors instead, JSON lines with "name", "format"
// ("text" or "openmetrics") and "input", and writes them with the answer added or renewed.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

type answer struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error,omitempty"`
	Entries []any  `json:"entries"`
	Append  string `json:"append,omitempty"`
}

type vector struct {
	Name   string `json:"name"`
	Format string `json:"format"`
	Input  any    `json:"input"`
	answer
	Weir json.RawMessage `json:"weir,omitempty"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "vectors" {
		renewVectors()
		return
	}
	answerDocuments()
}

func renewVectors() {
	decoder := json.NewDecoder(os.Stdin)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	for {
		var v vector
		err := decoder.Decode(&v)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		v.answer = parse(v.Format[0], input(v.Input))
		if err := encoder.Encode(v); err != nil {
			log.Fatal(err)
		}
	}
}

func input(described any) []byte {
	switch described := described.(type) {
	case string:
		return []byte(described)
	case map[string]any:
		document, err := hex.DecodeString(described["hex"].(string))
		if err != nil {
			log.Fatal(err)
		}
		return document
	default:
		log.Fatalf("an input is text or {\"hex\": …}, not %v", described)
		return nil
	}
}

func answerDocuments() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for {
		format, document, err := readDocument(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		if err := encoder.Encode(parse(format, document)); err != nil {
			log.Fatal(err)
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				log.Fatal(err)
			}
		}
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}

func readDocument(in io.Reader) (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return 0, nil, err
	}
	document := make([]byte, binary.LittleEndian.Uint32(head[1:]))
	_, err := io.ReadFull(in, document)
	return head[0], document, err
}

func parse(format byte, document []byte) answer {
	var parser textparse.Parser
	if format == 'o' {
		parser = textparse.NewOpenMetricsParser(document, labels.NewSymbolTable())
	} else {
		parser = textparse.NewPromParser(document, labels.NewSymbolTable(), false)
	}
	result := answer{Entries: []any{}}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			result.OK = true
			return result
		}
		if err != nil {
			result.Error = err.Error()
			return result
		}
		result.Entries = append(result.Entries, describe(parser, entry))
		if entry == textparse.EntrySeries && result.Append == "" {
			result.Append = refusal(parser)
		}
	}
}

func describe(parser textparse.Parser, entry textparse.Entry) any {
	switch entry {
	case textparse.EntryHelp:
		name, help := parser.Help()
		return []any{"help", text(string(name)), text(string(help))}
	case textparse.EntryType:
		name, metricType := parser.Type()
		return []any{"type", text(string(name)), string(metricType)}
	case textparse.EntryUnit:
		name, unit := parser.Unit()
		return []any{"unit", text(string(name)), text(string(unit))}
	case textparse.EntrySeries:
		return sample(parser)
	default:
		return []any{"comment"}
	}
}

func sample(parser textparse.Parser) any {
	_, timestamp, value := parser.Series()
	name, pairs := parts(parser)
	described := []any{"sample", name, pairs, number(value), nil, nil}
	if timestamp != nil {
		described[4] = *timestamp
	}
	var e exemplar.Exemplar
	if parser.Exemplar(&e) {
		described[5] = number(e.Value)
	}
	return described
}

// parts gives name and labels as they are written: Labels() would sort them and rewrite the values
// of le and quantile.
func parts(parser textparse.Parser) (any, []any) {
	inner := reflect.ValueOf(parser).Elem()
	input := inner.FieldByName("l").Elem().FieldByName("b").Bytes()
	offsets := inner.FieldByName("offsets")
	part := func(i int) any {
		return text(unescape(string(input[offsets.Index(i).Int():offsets.Index(i+1).Int()])))
	}
	pairs := []any{}
	for i := 2; i < offsets.Len(); i += 4 {
		pairs = append(pairs, []any{part(i), part(i + 2)})
	}
	return part(0), pairs
}

var unescape = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\n`, "\n").Replace

// refusal does with a sample what the scrape does before and while it is appended.
func refusal(parser textparse.Parser) string {
	var set labels.Labels
	parser.Labels(&set)
	builder := labels.NewBuilder(set)
	builder.Set("instance", "localhost:1")
	builder.Set("job", "test")
	set = builder.Labels()
	if !set.Has(model.MetricNameLabel) {
		return "no name"
	}
	if !set.IsValid(model.UTF8Validation) {
		return "invalid"
	}
	if _, twice := set.HasDuplicateLabelNames(); twice {
		return "duplicate"
	}
	return ""
}

func number(value float64) string {
	return strconv.FormatFloat(value, 'g', -1, 64)
}

func text(s string) any {
	if utf8.ValidString(s) {
		return s
	}
	return map[string]string{"hex": hex.EncodeToString([]byte(s))}
}
