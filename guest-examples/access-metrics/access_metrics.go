// Metrics out of access logs (nginx, Apache, load balancers): requests, bytes and errors by method and status class,
// written as embedded metrics, which the server makes CloudWatch metrics of. A plain program without a line of SDK:
// AWS's payload on stdin, JSON lines on stdout. Subscribe it to the access log. Setting: NAMESPACE (`Access`).
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
)

// 203.0.113.9 - ann [10/Oct/2026:13:55:36 +0000] "GET /index.html HTTP/1.1" 200 2326 "-" "curl/8"
var line = regexp.MustCompile(`"([A-Z]+) [^"]*" (\d)(\d\d) (\d+|-)`)

type counts struct{ requests, errors, bytes int }

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	var payload struct{ Awslogs struct{ Data []byte } }
	var batch struct {
		LogGroup  string
		LogEvents []struct {
			Timestamp int64
			Message   string
		}
	}
	check(json.NewDecoder(os.Stdin).Decode(&payload))
	text, err := gzip.NewReader(bytes.NewReader(payload.Awslogs.Data))
	check(err)
	check(json.NewDecoder(text).Decode(&batch))

	type key struct {
		minute        int64
		method, class string
	}
	found, order := map[key]*counts{}, []key{}
	for _, event := range batch.LogEvents {
		parts := line.FindStringSubmatch(event.Message)
		if parts == nil {
			continue
		}
		at := key{event.Timestamp / 60000 * 60000, parts[1], parts[2] + "xx"}
		if found[at] == nil {
			found[at] = &counts{}
			order = append(order, at)
		}
		size, _ := strconv.Atoi(parts[4]) // "-" is no byte
		found[at].requests++
		found[at].bytes += size
		if parts[2] == "5" {
			found[at].errors++
		}
	}
	namespace := os.Getenv("NAMESPACE")
	if namespace == "" {
		namespace = "Access"
	}
	metrics := []map[string]string{{"Name": "Requests", "Unit": "Count"}, {"Name": "Errors", "Unit": "Count"}, {"Name": "Bytes", "Unit": "Bytes"}}
	directive := map[string]any{"Namespace": namespace, "Dimensions": [][]string{{"Method", "Class"}, {}}, "Metrics": metrics}
	for _, at := range order {
		check(json.NewEncoder(os.Stdout).Encode(map[string]any{
			"_aws":   map[string]any{"Timestamp": at.minute, "CloudWatchMetrics": []any{directive}},
			"Method": at.method, "Class": at.class, "LogGroup": batch.LogGroup,
			"Requests": found[at].requests, "Errors": found[at].errors, "Bytes": found[at].bytes,
		}))
	}
}
