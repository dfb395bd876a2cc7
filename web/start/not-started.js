/*
 * Explains a page that can't start. A classic script, not a module: browsers load no modules for a page that
 * is opened as a file. The build copies it as it is.
 */
(() => {
  /** @param {string} text */
  const explain = (text) => {
    document.documentElement.dataset.notStarted = '';
    const line = document.createElement('p');
    line.className = 'not-started';
    line.setAttribute('role', 'alert');
    line.textContent = text;
    document.querySelector('header')?.after(line);
  };
  if (location.protocol === 'file:') {
    explain(
      'This page needs a web server: run “cargo xtask demo”, ' +
        'or serve the folder of the built page with any static server.',
    );
    return;
  }
  addEventListener(
    'error',
    ({ target }) => {
      if (!(target instanceof HTMLScriptElement)) return;
      explain('The page could not load its code: check the connection, then reload.');
    },
    true,
  );
})();
