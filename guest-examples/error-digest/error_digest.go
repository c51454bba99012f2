// The error digest in Go, as a plain program: AWS's payload on stdin, the digest on stdout, which becomes lines of its
// own log. Two events are of one kind when they differ in numbers and ids only.
package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"
)

const shown = 10

type same struct {
	count   int
	example string
	since   int64
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	var payload struct{ Awslogs struct{ Data []byte } }
	check(json.NewDecoder(os.Stdin).Decode(&payload))
	var given struct {
		LogGroup  string
		LogEvents []struct {
			Timestamp int64
			Message   string
		}
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(payload.Awslogs.Data))
	check(err)
	check(json.NewDecoder(unzipped).Decode(&given))
	kinds := map[string]*same{}
	for _, e := range given.LogEvents {
		key := kind(e.Message)
		if kinds[key] == nil {
			kinds[key] = &same{0, example(e.Message), e.Timestamp}
		}
		kinds[key].count++
	}
	rows := slices.SortedFunc(maps.Values(kinds), func(a, b *same) int {
		return cmp.Or(b.count-a.count, cmp.Compare(a.since, b.since), cmp.Compare(a.example, b.example))
	})
	fmt.Printf("%d events of %d kinds in %s\n", len(given.LogEvents), len(rows), given.LogGroup)
	for _, row := range rows[:min(shown, len(rows))] {
		fmt.Printf("%6d x %s\n", row.count, row.example)
	}
	if len(rows) > shown {
		fmt.Printf("and %d more kinds\n", len(rows)-shown)
	}
}

// Words with a digit become `#`.
func kind(message string) string {
	words := strings.FieldsFunc(message, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '-' })
	for i, word := range words {
		if strings.ContainsAny(word, "0123456789") {
			words[i] = "#"
		}
	}
	return strings.Join(words, " ")
}

func example(message string) string {
	text := []rune(strings.NewReplacer("\n", " ", "\r", " ").Replace(strings.TrimRightFunc(message, unicode.IsSpace)))
	return string(text[:min(200, len(text))])
}
