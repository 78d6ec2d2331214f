# `serve` is Odoo 19 with the addon; `test` adds the tools of ./dev and the tests.
FROM odoo:19 AS serve
USER root
COPY requirements.txt /tmp/requirements.txt
# The image's Python belongs to its distribution, and so does Odoo: there is no virtual environment to install into.
RUN pip3 install --no-cache-dir --break-system-packages -r /tmp/requirements.txt
COPY docker/serve docker/healthy /usr/local/bin/
COPY school_erp_sync /mnt/extra-addons/school_erp_sync
USER odoo
EXPOSE 8069 8072
HEALTHCHECK --interval=10s --timeout=5s --start-period=180s --retries=6 CMD ["healthy"]
ENTRYPOINT ["serve"]

FROM serve AS test
COPY --chown=odoo:odoo . /var/lib/odoo/school_erp_sync
WORKDIR /var/lib/odoo/school_erp_sync
RUN ./dev setup && ./dev stop
HEALTHCHECK NONE
ENTRYPOINT ["./dev"]
CMD ["test"]
