// Renders a Helm chart's templates with Go's own engine: go run .ci/chart/render.go TEMPLATES <INPUT
//
// The input is JSON with Values, Chart and Release. Of Helm's functions it has those that the chart uses. The output is
// JSON: an object from file names to rendered texts, or a line on standard error.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"text/template"
)

func asJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func trunc(length int, text string) string {
	if len(text) <= length {
		return text
	}
	return text[:length]
}

func isEmpty(value any) bool {
	truth, _ := template.IsTrue(value)
	return !truth
}

func nindent(spaces int, text string) string {
	pad := strings.Repeat(" ", spaces)
	return "\n" + pad + strings.ReplaceAll(text, "\n", "\n"+pad)
}

// Helm's output has no braces. JSON is YAML too, so a mapping is a line for each key, each with JSON.
func toYaml(value any) string {
	mapping, ok := value.(map[string]any)
	if !ok {
		return asJSON(value)
	}
	lines := []string{}
	for key, inner := range mapping {
		lines = append(lines, fmt.Sprintf("%s: %s", asJSON(key), asJSON(inner)))
	}
	return strings.Join(lines, "\n")
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func main() {
	var input map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		fail(err)
	}
	input["Template"] = map[string]any{"BasePath": "chart/templates"}
	root := template.New("chart").Option("missingkey=zero")
	root.Funcs(template.FuncMap{
		"contains": func(part, text string) bool { return strings.Contains(text, part) },
		"default": func(usual, value any) any {
			if isEmpty(value) {
				return usual
			}
			return value
		},
		"fail":  func(why string) (string, error) { return "", errors.New(why) },
		"floor": func(number float64) float64 { return math.Floor(number) },
		"has": func(item any, list []any) bool {
			for _, each := range list {
				if reflect.DeepEqual(each, item) {
					return true
				}
			}
			return false
		},
		"int64":   func(number float64) int64 { return int64(number) },
		"kindIs":  func(kind string, value any) bool { return reflect.ValueOf(value).Kind().String() == kind },
		"list":    func(items ...any) []any { return items },
		"nindent": nindent,
		"quote":   func(value any) string { return asJSON(fmt.Sprint(value)) },
		"required": func(why string, value any) (any, error) {
			if isEmpty(value) {
				return nil, errors.New(why)
			}
			return value, nil
		},
		"sha256sum":  func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) },
		"toJson":     asJSON,
		"toYaml":     toYaml,
		"trimSuffix": func(suffix, text string) string { return strings.TrimSuffix(text, suffix) },
		"trunc":      trunc,
		"include": func(name string, data any) (string, error) {
			var text strings.Builder
			err := root.ExecuteTemplate(&text, name, data)
			return text.String(), err
		},
	})
	paths, err := filepath.Glob(filepath.Join(os.Args[1], "*"))
	if err != nil {
		fail(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			fail(err)
		}
		if _, err := root.New("chart/templates/" + filepath.Base(path)).Parse(string(text)); err != nil {
			fail(err)
		}
	}
	rendered := map[string]string{}
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var text strings.Builder
		if err := root.ExecuteTemplate(&text, "chart/templates/"+name, input); err != nil {
			fail(err)
		}
		rendered[name] = text.String()
	}
	fmt.Println(asJSON(rendered))
}
