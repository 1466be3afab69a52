// Starts Swagger UI on the page of app/routers/http/docs.py. A file of its own, as the page's policy forbids inline scripts.
SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  displayOperationId: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false, // a key is forgotten with the page
  validatorUrl: null, // no other host is asked
});
