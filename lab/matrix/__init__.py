"""The matrix: selection of cases, parallel runs, and reports."""
