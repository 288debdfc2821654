// What ESLint holds the dashboard's JavaScript to; run by `make check`.

import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: [".venv*/", "build/", "workspace*/"] },
  js.configs.recommended,
  { rules: { eqeqeq: "error", "prefer-const": "error", "no-var": "error", "no-unused-vars": "error" } },
  { files: ["core/**/*.js", "dashboard/**/*.js"], languageOptions: { globals: { ...globals.browser, Plotly: "readonly" } } },
  { files: ["tests/**/*.mjs"], languageOptions: { globals: globals.node } },
];
